"""PyTorch eager on the CPU: exported programs, run call by call without gradients."""

from __future__ import annotations

import copy
import hashlib
import importlib
import io
import json
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtefactError
from ..profile import HardwareProfile
from ..target import Target
from ._base import (
    VALUES_FILE,
    Arrays,
    InputSpec,
    NodeTime,
    Runtime,
    Session,
    bound_shape,
    check_feeds,
    check_open,
    check_profile_runs,
    onednn_block,
    random_inputs,
)

LAYOUTS = ("contiguous", "channels_last")
"""Values of the option `layout`: how images lie in memory."""

_WARMUP_RUNS = 3

# Programs that a runtime keeps loaded: those of one comparison, the unpruned network among them.
_KEPT = 8


@dataclass(frozen=True)
class Program:
    """An exported program, ready to be copied and run.

    Attributes:
        exported: What torch loaded.
        module: Its module, without checks of what it is given.
        names: Call -> what it is to be named in profiles.
    """

    exported: Any
    module: Any
    names: Mapping[str, str]


class TorchEager(Runtime):
    """Runs exported programs as they stand: no compiler, no gradients, fixed threads, denormals flushed."""

    name: ClassVar[str] = "torch"
    artefact_kind: ClassVar[Literal["onnx", "exported_program"]] = "exported_program"

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Program] = OrderedDict()

    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""
        if target.runtime != self.name:
            return f"PyTorch eager serves targets of the runtime torch only, but got {target.slug}."
        if target.device != "cpu":
            return f"PyTorch eager is built into this version for the device cpu only, but got {target.device!r}."
        if target.precision != "fp32":
            return f"PyTorch eager is built into this version for fp32 only, but got {target.precision!r}."
        layout = dict(target.options).get("layout", LAYOUTS[0])
        if layout not in LAYOUTS:
            return f"The option layout must be one of {', '.join(LAYOUTS)}, but got {layout!r}."
        try:
            _library()
        except ImportError as error:
            return f"The package torch must import, but: {error}."
        return None

    def versions(self) -> dict[str, str]:
        """Return the version of the library."""
        self.require(Target(runtime=self.name))
        return {"torch": str(_library().__version__)}

    def width_quantum(self, profile: HardwareProfile) -> int:
        """Return the channel block of oneDNN, which the library computes with; see `onednn_block`."""
        return onednn_block(profile)

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Load a program, draw inputs and run it once.

        The file becomes Python objects by torch's own loader, which may run code: load programs of your own only.

        Raises:
            ArtefactError: The library cannot load or run the program, or its batch is not the target's.
            RuntimeUnavailableError: The target cannot be used here.
        """
        self.require(target)
        return _TorchSession(self._program(artefact), target, rng)

    def _program(self, artefact: bytes | Path) -> Program:
        """Load a program, or take it from the last ones: torch takes half a second for one, a comparison many loads."""
        try:
            content = artefact if isinstance(artefact, bytes) else artefact.read_bytes()
        except OSError as error:
            raise _artefact_error("read", error) from error
        key = hashlib.sha256(content).hexdigest()
        if key not in self._kept:
            self._kept[key] = load_program(content)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


class _TorchSession(Session):
    def __init__(self, program: Program, target: Target, rng: np.random.Generator) -> None:
        self._target, self._names = target, program.names
        self._specs = input_specs(program.exported, target.batch)
        # A copy, so that its weights lie elsewhere in memory than those of the session before.
        with _quiet():
            self._module = copy.deepcopy(program.module)
        if dict(target.options).get("layout") == "channels_last":
            self._module.to(memory_format=_library().channels_last)
        self._inputs = self._tensors(random_inputs(self._specs, rng))
        self._closed = False
        _THREADS.enter(target.threads)
        try:
            self.run()
        except Exception as error:
            self.close()
            raise _artefact_error("run", error) from error

    @property
    def threads(self) -> int:
        return self._target.threads

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return self._specs

    def run(self) -> None:
        self._check_open()
        with _library().inference_mode():
            self._module(*self._inputs)

    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        self._check_open()
        check_feeds(self._specs, feeds)
        torch = _library()
        with torch.inference_mode():
            found = self._module(*self._tensors(feeds))
        leaves = [leaf for leaf in torch.utils._pytree.tree_leaves(found) if isinstance(leaf, torch.Tensor)]
        names = ["output"] if len(leaves) == 1 else [f"output_{i}" for i in range(len(leaves))]
        return {name: leaf.numpy().copy() for name, leaf in zip(names, leaves, strict=True)}

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        self._check_open()
        check_profile_runs(runs)
        found = profile_calls(self._module, self._inputs, runs, time.perf_counter)
        return tuple(replace(node, name=self._names.get(node.name, node.name)) for node in found)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._module = None
            _THREADS.leave()

    def _tensors(self, arrays: Arrays) -> list[Any]:
        torch = _library()
        tensors = [torch.from_numpy(np.ascontiguousarray(arrays[spec.name])) for spec in self._specs]
        if dict(self._target.options).get("layout") != "channels_last":
            return tensors
        return [t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in tensors]

    def _check_open(self) -> None:
        check_open(not self._closed)


def load_program(content: bytes) -> Program:
    """Load an exported program.

    Raises:
        ArtefactError: The library cannot read it.
    """
    torch, extra = _library(), {VALUES_FILE: ""}
    try:
        with _quiet():
            exported = torch.export.load(io.BytesIO(content), extra_files=extra)
            module = exported.module(check_guards=False)
        return Program(exported, module, json.loads(extra[VALUES_FILE] or "{}"))
    except Exception as error:
        raise _artefact_error("load", error) from error


def input_specs(program: Any, batch: int) -> tuple[InputSpec, ...]:
    """Return a program's inputs, in order.

    Raises:
        ArtefactError: An input is no tensor, or its batch is another.
    """
    torch = _library()
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    specs = []
    for name in program.graph_signature.user_inputs:
        value = values.get(name)
        if not isinstance(value, torch.Tensor):
            raise ArtefactError(f"Every input of a program must be a tensor, but {name!r} is not; export it again.")
        sizes = [size if isinstance(size, int) else None for size in value.shape]
        specs.append(InputSpec(name, bound_shape(name, sizes, batch), str(value.dtype).removeprefix("torch.")))
    return tuple(specs)


def profile_calls(module: Any, inputs: Sequence[Any], runs: int, clock: Callable[[], float]) -> tuple[NodeTime, ...]:
    """Return the mean seconds of each call of a module's graph, in order, after runs that do not count."""
    torch = _library()
    seconds: dict[str, list[float]] = {}
    operators: dict[str, str] = {}

    class Timed(torch.fx.Interpreter):  # type: ignore[misc, name-defined, unused-ignore]
        def run_node(self, n: Any) -> Any:
            if n.op != "call_function":
                return super().run_node(n)
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            began = clock()
            found = n.target(*args, **kwargs)
            seconds.setdefault(n.name, []).append(clock() - began)
            operators[n.name] = str(getattr(n.target, "_opname", getattr(n.target, "__name__", n.target)))
            return found

    with torch.inference_mode():
        for _ in range(_WARMUP_RUNS + runs):
            Timed(module).run(*inputs)
    return tuple(
        NodeTime(name, operators[name], float(np.mean(times[_WARMUP_RUNS:]))) for name, times in seconds.items()
    )


class _Threads:
    """Sets torch's threads, which are one number for the whole process, while any session is open."""

    def __init__(self) -> None:
        self._lock, self._open, self._before = threading.Lock(), 0, 0

    def enter(self, threads: int) -> None:
        torch = _library()
        with self._lock:
            if not self._open:
                self._before = torch.get_num_threads()
            self._open += 1
            torch.set_num_threads(threads)
            torch.set_flush_denormal(True)

    def leave(self) -> None:
        with self._lock:
            self._open -= 1
            if not self._open:
                _library().set_num_threads(self._before)


_THREADS = _Threads()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the library says of its own deprecations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _library() -> Any:
    return importlib.import_module("torch")


def _artefact_error(verb: str, error: Exception) -> ArtefactError:
    return ArtefactError(f"PyTorch cannot {verb} the program: {type(error).__name__}: {error}")
