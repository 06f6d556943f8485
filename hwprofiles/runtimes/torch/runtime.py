"""PyTorch eager: exported programs without gradients, call by call on the CPU, replayed as a CUDA graph on a GPU."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtefactError
from ...machine import HardwareProfile
from ...target import Target
from .. import cuda
from .._base import Arrays, ArtefactKind, InputSpec, NodeTime, Runtime, Session
from ..checks import check_feeds, check_finite, check_open, check_profile_runs, out_of_reach
from ..inputs import content_of, random_inputs
from ..quanta import GPU_QUANTUM, onednn_block
from .graph import is_graph, load_graph
from .profile import Stopwatch, profile_calls
from .program import (
    Program,
    artefact_error,
    library,
    load_program,
    moved,
    named_outputs,
    plain_module,
    quiet,
    specs_of,
)
from .threads import THREADS

LAYOUTS = ("contiguous", "channels_last")
"""Values of the option `layout`: how images lie in memory."""

PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32", "tf32", "fp16", "bf16")}
"""Device -> precisions of targets on it."""

_HALVES = {"fp16": "float16", "bf16": "bfloat16"}

# Programs that a runtime keeps loaded: those of one comparison, the unpruned network among them.
_KEPT = 8


class TorchEager(Runtime):
    """Runs exported programs as they stand: no compiler, no gradients, fixed threads, denormals flushed.

    On a GPU a run is one launch of a CUDA graph, and ends when the GPU has: what is timed is what a caller waits for.
    """

    name: ClassVar[str] = "torch"
    artefact_kind: ClassVar[ArtefactKind] = "exported_program"

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Program] = OrderedDict()

    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""
        reason = out_of_reach("PyTorch eager", self.name, PRECISIONS, target)
        if reason is not None:
            return reason
        layout = dict(target.options).get("layout", LAYOUTS[0])
        if layout not in LAYOUTS:
            return f"The option layout must be one of {', '.join(LAYOUTS)}, but got {layout!r}."
        try:
            library()
        except ImportError as error:
            return f"The package torch must import, but: {error}."
        return cuda.missing() if target.device == "cuda" else None

    def versions(self) -> dict[str, str]:
        """Return the version of the library."""
        self.require(Target(runtime=self.name))
        return {"torch": str(library().__version__), **(cuda.versions() if cuda.missing() is None else {})}

    def table_kind(self, target: Target) -> ArtefactKind:
        """Return graphs on the CPU: for a GPU, an exported program is what can be moved there with its constants."""
        return "torch_graph" if target.device == "cpu" else self.artefact_kind

    def width_quantum(self, profile: HardwareProfile, device: str = "cpu") -> int:
        """Return the channel block of oneDNN, which the library computes with on CPUs; see `onednn_block`."""
        return onednn_block(profile) if device == "cpu" else GPU_QUANTUM

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Load a program, draw inputs and run it once.

        The file becomes Python objects by torch's own loader or by pickle, which may run code: load programs and
        graphs of your own only.

        Raises:
            ArtefactError: The library cannot load or run the program, or its batch is not the target's.
            RuntimeUnavailableError: The target cannot be used here.
        """
        self.require(target)
        return _TorchSession(self._program(artefact), target, rng)

    def _program(self, artefact: bytes | Path) -> Program:
        """Load a program, or take it from the last ones: torch takes half a second for one, a comparison many loads."""
        content = content_of(artefact, "PyTorch")
        key = hashlib.sha256(content).hexdigest()
        if key not in self._kept:
            self._kept[key] = load_graph(content) if is_graph(content) else load_program(content)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


class _TorchSession(Session):
    def __init__(self, program: Program, target: Target, rng: np.random.Generator) -> None:
        self._target, self._program = target, program
        self._specs = specs_of(program.inputs, target.batch)
        self._layout = dict(target.options).get("layout", LAYOUTS[0])
        # A copy, so that its weights lie elsewhere in memory than those of the session before.
        self._module = program.take(self._layout) if target.device == "cpu" else _moved_module(program, target)
        if self._layout == "channels_last":
            self._module.to(memory_format=library().channels_last)
        self._inputs = self._tensors(random_inputs(self._specs, rng))
        self._replay: cuda.Replay | None = None
        self._closed = False
        THREADS.enter(target.threads)
        try:
            self._begin()
        except ArtefactError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise artefact_error("run", error) from error

    def _begin(self) -> None:
        """Run once, so that what cannot run is found here; on a GPU, record the run."""
        if self._target.device == "cpu":
            self.run()
            return
        cuda.set_tf32(self._target.precision == "tf32")
        with library().inference_mode():
            self._replay = cuda.Replay(self._module, self._inputs)
        self._replay.run()
        check_finite(named_outputs(self._replay.found), self._target.precision)

    @property
    def threads(self) -> int | None:
        return self._target.threads if self._target.device == "cpu" else None

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return self._specs

    def run(self) -> None:
        self._check_open()
        if self._replay is not None:
            self._replay.run()
            return
        with library().inference_mode():
            self._module(*self._inputs)

    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        self._check_open()
        check_feeds(self._specs, feeds)
        with library().inference_mode():
            return named_outputs(self._module(*self._tensors(feeds)))

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        self._check_open()
        check_profile_runs(runs)
        stopwatch = Stopwatch() if self._target.device == "cpu" else cuda.Events()
        found = profile_calls(self._module, self._inputs, runs, stopwatch)
        return tuple(replace(node, name=self._program.names.get(node.name, node.name)) for node in found)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._target.device == "cpu":
                self._program.give_back(self._module, self._layout)
            self._module = self._replay = None
            THREADS.leave()

    def _tensors(self, arrays: Arrays) -> list[Any]:
        torch = library()
        tensors = [torch.from_numpy(np.ascontiguousarray(arrays[spec.name])) for spec in self._specs]
        half = _half(self._target)
        tensors = [t.to(self._target.device, half if t.is_floating_point() else None) for t in tensors]
        if self._layout != "channels_last":
            return tensors
        return [t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in tensors]

    def _check_open(self) -> None:
        check_open(not self._closed)


def _moved_module(program: Program, target: Target) -> Any:
    """Return a module of a session's own, on the target's device and in its precision.

    Raises:
        ArtefactError: The program is a graph, whose constants cannot be moved.
    """
    if program.exported is None:
        raise ArtefactError(f"PyTorch runs graphs on the CPU only, but the target is on {target.device}: export one.")
    with quiet():
        module = plain_module(moved(program.exported, target.device))
    return module.to(dtype=_half(target)) if _half(target) is not None else module


def _half(target: Target) -> Any:
    """Return the type that a target's weights and inputs are turned into; None where they stay as they are."""
    return getattr(library(), _HALVES[target.precision]) if target.precision in _HALVES else None
