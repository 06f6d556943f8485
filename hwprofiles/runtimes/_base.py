"""The contract between timing and runtimes: a `Runtime` loads files into `Session`s."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import RuntimeUnavailableError
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
    """A file loaded on a target, with fixed random inputs bound once.

    **Life.** `Runtime.load` opens a session, and whoever called it closes it, best with `with`. A session is used by
    one thread at a time. Several may be open at once, of one file or of many, and take turns: none may change what
    another computes or, beyond the caches that they share, how fast it is.

    **Inputs.** They are bound when the session is made and stay as they are, so that each `run` does the same work on
    the same data. `outputs` and `profile` leave them alone: a run after them is like one before.

    **Warm-up.** It is the caller's. The first runs of a session may allocate and be slower; an implementer hides
    nothing of that, and adds nothing to a run but what a user of the file would have to wait for. `run` returns when
    the results are there, also where a GPU computes them.

    **What an implementer writes**: the abstract methods, and `threads` where the number is known. `check_open`,
    `check_feeds` and `check_profile_runs` of `checks` say what is wrong in the words that all runtimes use. The suite
    that all runtimes share holds it to this.
    """

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

    **Life.** A runtime is made without arguments by `get_runtime`, as often as one is needed, and needs no closing. To
    make one is cheap and always possible: libraries are imported when a target is asked for, and `unavailable` says in
    a sentence what is missing. Every other method that needs the library raises `RuntimeUnavailableError`.

    **Files.** The artefact is the caller's. `load` reads all of it before it returns and does not keep the path: the
    file may be deleted while the session lives. What a runtime compiles and keeps belongs to the runtime and lies in
    its folder of the user's cache (`kept`); nothing of it is found again for other content, versions or machines.

    **Errors.** A file that the library cannot load, compile or run is an `ArtefactError`, whatever the library raises.
    Where a file may crash or hang the process (`native`), the caller tries it in a process of its own first.

    **Time.** `clock`, `sleep` and `conditions` belong together: what is timed with one clock is judged by the counters
    of the same machine.

    **Order.** Any thread may call `load`; one at a time. Compiling may take `compile_limit_s`; a second `load` of the
    same content on the same target may be faster, and computes the same.

    Attributes:
        name: One of `RUNTIMES`.
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
