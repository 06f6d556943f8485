"""PyTorch AOTInductor: exported programs, compiled once and kept.

A compilation takes half a minute and more, so this runtime is for finalists and small tables. The number of threads is
compiled into the kernels, so that it is part of what a package is kept under, with the versions of the library and of
the C++ compiler and the machine's instructions.
"""

from __future__ import annotations

import hashlib
import importlib
import subprocess
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtefactError
from ...machine import HardwareProfile, probe
from ...target import Target
from .. import cuda
from .._base import Arrays, ArtefactKind, InputSpec, NodeTime, Runtime, Session
from ..checks import check_feeds, check_open, check_profile_runs, out_of_reach
from ..inputs import content_of, random_inputs
from ..kept import kept
from ..quanta import GPU_QUANTUM, onednn_block
from ..torch.program import library, load_program, named_outputs, specs_of
from ..torch.threads import THREADS
from .compile import LIMIT_S, compile_apart, probe_apart

PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32", "tf32")}
"""Device -> precisions of targets on it."""


class AotInductor(Runtime):
    """Compiles exported programs to native code for a fixed number of threads; denormals are flushed."""

    name: ClassVar[str] = "aotinductor"
    artefact_kind: ClassVar[ArtefactKind] = "exported_program"
    native: ClassVar[bool] = True
    compile_limit_s: ClassVar[float] = LIMIT_S
    most_files: ClassVar[int | None] = 20

    def __init__(self) -> None:
        self._specs: dict[str, tuple[InputSpec, ...]] = {}

    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""
        reason = out_of_reach("AOTInductor", self.name, PRECISIONS, target)
        if reason is not None:
            return reason
        try:
            _compiler()
        except ImportError as error:
            return f"The package torch must import, but: {error}."
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            return f"AOTInductor needs a C++ compiler (on Debian: `apt-get install g++`), but: {_first_line(error)}."
        return cuda.missing() if target.device == "cuda" else None

    def versions(self) -> dict[str, str]:
        """Return the versions of the library and of the C++ compiler."""
        self.require(Target(runtime=self.name))
        found = {"torch": str(library().__version__), "c++": _compiler()}
        return found if cuda.missing() is not None else {**found, **cuda.versions()}

    def width_quantum(self, profile: HardwareProfile, device: str = "cpu") -> int:
        """Return the channel block of oneDNN, which computes convolutions and products on CPUs; see `onednn_block`."""
        return onednn_block(profile) if device == "cpu" else GPU_QUANTUM

    def profiles(self, target: Target) -> bool:
        """Return False: what a package runs is compiled kernels, which no public interface tells apart."""
        return False

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Compile a program, unless that was done before, load the package, draw inputs and run it once.

        The file becomes Python objects by torch's own loader, which may run code: load programs of your own only.

        Raises:
            ArtefactError: The library cannot read, compile or run the program, its batch is not the target's, or the
                compilation took longer than `compile_limit_s`.
            RuntimeUnavailableError: The target cannot be used here.
        """
        self.require(target)
        content = content_of(artefact, "AOTInductor")
        specs = self._inputs_of(content, target.batch)
        here = {**self.versions(), "machine": probe().fingerprint_for(target.device)}
        package = kept(self.name, content, {**here, "target": target.slug}, partial(_compile, content, target, here))
        return _PackageSession(package, specs, target, rng)

    def _inputs_of(self, content: bytes, batch: int) -> tuple[InputSpec, ...]:
        """Return a program's inputs; read once, since torch takes half a second for it."""
        key = f"{hashlib.sha256(content).hexdigest()} {batch}"
        if key not in self._specs:
            self._specs[key] = specs_of(load_program(content).inputs, batch)
        return self._specs[key]


def _compile(content: bytes, target: Target, here: Mapping[str, str], package: Path) -> None:
    """Compile a program, with what was found out about this machine before; see `compile_apart`."""
    compile_apart(content, target, package, probes=kept("aotinductor-probes", b"", here, probe_apart, suffix=".tar"))


class _PackageSession(Session):
    def __init__(self, package: Path, specs: tuple[InputSpec, ...], target: Target, rng: np.random.Generator) -> None:
        self._target, self._specs = target, specs
        self._closed = False
        THREADS.enter(target.threads)
        try:
            self._inputs = self._tensors(random_inputs(specs, rng))
            self._model: Any = library()._inductor.aoti_load_package(str(package))
            self.run()
        except Exception as error:
            self.close()
            raise ArtefactError(
                f"AOTInductor cannot run the program: {type(error).__name__}: {_first_line(error)}"
            ) from error

    @property
    def threads(self) -> int | None:
        return self._target.threads if self._target.device == "cpu" else None

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return self._specs

    def run(self) -> None:
        check_open(not self._closed)
        self._model(*self._inputs)
        if self._target.device != "cpu":
            library().cuda.current_stream().synchronize()

    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        check_open(not self._closed)
        check_feeds(self._specs, feeds)
        return named_outputs(self._model(*self._tensors(feeds)))

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        check_open(not self._closed)
        check_profile_runs(runs)
        return ()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._model = None
            THREADS.leave()

    def _tensors(self, arrays: Arrays) -> list[Any]:
        tensors = [library().from_numpy(np.ascontiguousarray(arrays[spec.name])) for spec in self._specs]
        return [tensor.to(self._target.device) for tensor in tensors]


@cache
def _compiler() -> str:
    """Return the C++ compiler that the library would use, with its version.

    Raises:
        ImportError: Torch is not installed.
        RuntimeError: Torch finds no compiler.
        OSError, CalledProcessError: The compiler does not run.
    """
    path = str(importlib.import_module("torch._inductor.cpp_builder").get_cpp_compiler())
    said = subprocess.run([path, "-dumpfullversion"], capture_output=True, text=True, check=True)
    return f"{Path(path).name} {said.stdout.strip()}"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
