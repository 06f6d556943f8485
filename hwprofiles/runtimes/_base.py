"""The contract between timing and runtimes: a `Runtime` loads files into `Session`s."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtefactError, RuntimeUnavailableError, UnfitFileError
from ..files import read_whole
from ..machine import Counters, HardwareProfile, read_counters
from ..target import Target

Arrays = Mapping[str, NDArray[np.generic]]

ArtefactKind = Literal["onnx", "exported_program", "torch_graph"]
"""What a runtime loads: an ONNX file, a program of `torch.export`, or a graph of torch.fx (see `graph_bytes`)."""

VALUES_FILE = "values.json"
"""Extra file of an exported program that says what its calls are named in profiles; those that it lacks keep theirs."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """An input of a loaded file.

    Attributes:
        name: In the file.
        shape: With batch.
        dtype: NumPy's name, such as ``float32``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class NodeTime:
    """What one node of the runtime's own (fused) graph costs.

    Attributes:
        name: A value of the file that the node produces (an inner one where several nodes were fused), or the
            runtime's own name where it cannot be told.
        operator: The runtime's operator type.
        seconds: Mean per run. Profiling inflates them: use their shares, not their sum.
    """

    name: str
    operator: str
    seconds: float


class Session(ABC):
    """A file loaded on a target, with fixed random inputs bound once."""

    @property
    def threads(self) -> int | None:
        """How many threads of this machine a run uses; None where that is unknown or no real core works."""
        return None

    @property
    @abstractmethod
    def input_specs(self) -> tuple[InputSpec, ...]:
        """The file's inputs, in order."""

    @abstractmethod
    def run(self) -> None:
        """Run once on the bound inputs; this is what is timed.

        Raises:
            RuntimeError: The session was closed.
        """

    @abstractmethod
    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        """Run once on the given inputs and return all outputs by name.

        Args:
            feeds: Input name -> array of that input's shape and type.

        Raises:
            ValueError: Names, shapes or types differ from `input_specs`.
            RuntimeError: The session was closed.
        """

    @abstractmethod
    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        """Return what each node of the runtime's own graph costs, in execution order.

        Apart from timing: profiling slows a network down. Nothing is returned where the runtime knows no nodes.

        Args:
            runs: Runs to average over, at least 1, after a warm-up that is not counted.

        Raises:
            RuntimeError: The session was closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what the session holds; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Runtime(ABC):
    """A way to run files on this machine.

    Attributes:
        name: One of `RUNTIME_NAMES`.
        artefact_kind: What `load` takes, and a bundle delivers.
        device: Of the plainest target that it serves.
        native: Whether a file may take down or hang the process that loads it: `IsolatedProfiler` then tries it first,
            which needs a class that can be imported and made without arguments.
        compile_limit_s: Seconds that `load` may spend compiling a file which it has not compiled before; 0 where it
            does not compile for long.
        most_files: Files that a table is made of, at most, where each is a long compilation; None where as many as the
            time allows. Where it is a number, widths are not swept: multiples of the width quantum are on offer.
        clock: The steady clock in seconds that its sessions are timed with.
        sleep: Waits for seconds on that clock.
        conditions: Reads the counters of the machine that its sessions run on.
    """

    name: ClassVar[str]
    artefact_kind: ClassVar[ArtefactKind]
    device: ClassVar[str] = "cpu"
    native: ClassVar[bool] = False
    compile_limit_s: ClassVar[float] = 0.0
    most_files: ClassVar[int | None] = None
    clock: Callable[[], float] = staticmethod(time.perf_counter)
    sleep: Callable[[float], None] = staticmethod(time.sleep)
    conditions: Callable[[], Counters] = staticmethod(read_counters)

    @abstractmethod
    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Return library -> version of what decides about speed.

        Raises:
            RuntimeUnavailableError: The runtime is not installed.
        """

    @abstractmethod
    def width_quantum(self, profile: HardwareProfile, device: str = "cpu") -> int:
        """Return the step of channel widths below which this runtime gains nothing on a device of such a machine."""

    @abstractmethod
    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Load a file.

        Args:
            artefact: Its content or its path.
            target: How to run it.
            rng: Draws the inputs that `Session.run` uses.

        Raises:
            ArtefactError: The runtime cannot load or run it.
            RuntimeUnavailableError: The target cannot be used here.
        """

    def plain(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session | None:
        """Load a file without the runtime's optimisations of its graph, to tell its own faults from the file's.

        Returns:
            A session like that of `load`; None where the runtime has no such way.

        Raises:
            ArtefactError: See `load`.
            RuntimeUnavailableError: Likewise.
        """
        return None

    def table_kind(self, target: Target) -> ArtefactKind:
        """Return what tables for a target are made of: a kind that times as `artefact_kind` does and is made faster."""
        return self.artefact_kind

    def profiles(self, target: Target) -> bool:
        """Tell whether `Session.profile` tells nodes apart on a target.

        Where it does not, it returns nothing, and tables fit laws to the times of whole networks.
        """
        return True

    def require(self, target: Target) -> None:
        """Check that a target can be used here.

        Raises:
            RuntimeUnavailableError: It cannot.
        """
        reason = self.unavailable(target)
        if reason is not None:
            raise RuntimeUnavailableError(reason)


def check_feeds(specs: Sequence[InputSpec], feeds: Arrays) -> None:
    """Check that feeds match the inputs of a file.

    Raises:
        ValueError: Names, shapes or types differ.
    """
    names = [spec.name for spec in specs]
    if sorted(feeds) != sorted(names):
        raise ValueError(f"Feeds must be exactly the inputs {names}, but got {sorted(feeds)}.")
    for spec in specs:
        array = feeds[spec.name]
        if array.shape != spec.shape or array.dtype != np.dtype(spec.dtype):
            raise ValueError(
                f"Input {spec.name!r} must be {spec.dtype} of shape {spec.shape}, but got {array.dtype} of shape "
                f"{array.shape}."
            )


MOST_PROGRAM_BYTES = 4 * 2**30
"""Size of an exported program that is read, at most."""


def content_of(artefact: bytes | Path, who: str) -> bytes:
    """Return the content of an exported program; for ONNX files see `onnx_content`.

    Raises:
        ArtefactError: It cannot be read; `who` is the runtime's name in the message.
    """
    try:
        return artefact if isinstance(artefact, bytes) else read_whole(artefact.resolve(), MOST_PROGRAM_BYTES)
    except (OSError, UnfitFileError) as error:
        raise ArtefactError(f"{who} cannot read the file: {error}") from error


def out_of_reach(who: str, runtime: str, precisions: Mapping[str, Sequence[str]], target: Target) -> str | None:
    """Return one sentence that says why a runtime serves no such target anywhere, or None where it does.

    Args:
        who: The runtime's name in messages.
        runtime: Its name in targets.
        precisions: Device -> the precisions that it serves there.
        target: In question.
    """
    if target.runtime != runtime:
        return f"{who} serves targets of the runtime {runtime} only, but got {target.slug}."
    if target.device not in precisions:
        known = f"device {next(iter(precisions))}" if len(precisions) == 1 else f"devices {' and '.join(precisions)}"
        return f"{who} serves the {known} only, but got {target.device!r}."
    known = ", ".join(precisions[target.device])
    if target.precision not in precisions[target.device]:
        return f"{who} serves {known} on {target.device} only, but got {target.precision!r}."
    return None


def check_finite(outputs: Arrays, precision: str) -> None:
    """Check that what a network computed from ordinary inputs fits its precision.

    Raises:
        ArtefactError: A value is infinite or no number.
    """
    odd = [name for name, array in outputs.items() if not np.isfinite(array).all()]
    if odd:
        limit = " (numbers above 65,504 do not fit)" if precision == "fp16" else ""
        raise ArtefactError(
            f"A network must compute finite numbers in {precision}{limit}, but its output {odd[0]!r} has others: "
            "choose bf16 or fp32 for the target."
        )


def check_open(is_open: bool) -> None:
    """Check that a session was not closed.

    Raises:
        RuntimeError: It was.
    """
    if not is_open:
        raise RuntimeError("A session must be open to be used, but this one was closed.")


def onednn_block(profile: HardwareProfile) -> int:
    """Return the channel block of oneDNN's layouts: 16 with AVX-512, else 8; 16 where the flags are unknown."""
    return 16 if profile.cpu_flags is None or "avx512f" in profile.cpu_flags else 8


GPU_QUANTUM = 8
"""Channels that tensor cores take together, in half precision; a multiple of what they take in any other."""


def check_profile_runs(runs: int) -> None:
    """Check the number of runs to profile.

    Raises:
        ValueError: It is below 1.
    """
    if runs < 1:
        raise ValueError(f"`runs` must be at least 1, but got {runs}.")


def bound_shape(name: str, shape: Sequence[int | None], batch: int) -> tuple[int, ...]:
    """Return an input's shape with the batch of the target filled in.

    Args:
        name: Of the input.
        shape: As the file declares it; None for a symbolic size.
        batch: Of the target; the first axis of an input carries it.

    Raises:
        ArtefactError: Another size is symbolic, or the file has another batch fixed.
    """
    if not shape:
        return ()
    sizes = [batch if shape[0] is None else shape[0], *shape[1:]]
    if sizes[0] != batch:
        raise ArtefactError(
            f"A file with a fixed batch must have the batch of the target, but input {name!r} has {sizes[0]} and the "
            f"target {batch}; export it again or choose another target."
        )
    fixed = tuple(size for size in sizes if size is not None)
    if len(fixed) < len(sizes):
        raise ArtefactError(
            f"Only the batch of a file may be symbolic, but input {name!r} has the shape {tuple(shape)} (None is "
            "symbolic); export it with fixed sizes."
        )
    return fixed


def random_inputs(specs: Sequence[InputSpec], rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    """Draw inputs: standard normal floats; integers and booleans 0 or 1, legal indices into almost any table."""
    inputs: dict[str, NDArray[np.generic]] = {}
    for spec in specs:
        dtype = np.dtype(spec.dtype)
        floating = np.issubdtype(dtype, np.floating)
        values = rng.standard_normal(spec.shape) if floating else rng.integers(0, 2, spec.shape)
        inputs[spec.name] = np.asarray(values).astype(dtype)
    return inputs
