"""ONNX Runtime: on the CPU, or with its CUDA or TensorRT provider where that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtefactError
from ...files import onnx_content
from ...machine import HardwareProfile
from ...target import Target
from .._base import Arrays, ArtefactKind, InputSpec, NodeTime, Runtime, Session
from ..checks import check_feeds, check_open, check_profile_runs
from ..inputs import bound_shape, random_inputs
from ..quanta import GPU_QUANTUM
from .profile import profile_nodes
from .providers import provider_of, unsuitable
from .sessions import artefact_error, library, session_options, start_session

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


class OnnxRuntime(Runtime):
    """Runs ONNX files with one provider, in sequence, with all graph optimisations, denormals flushed.

    On a GPU, inputs and outputs lie there, and a run ends when the GPU has: what is timed is what a caller waits for.
    """

    name: ClassVar[str] = "onnxruntime"
    artefact_kind: ClassVar[ArtefactKind] = "onnx"
    native: ClassVar[bool] = True

    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""
        if target.runtime != self.name:
            return f"ONNX Runtime serves targets of the runtime onnxruntime only, but got {target.slug}."
        reason = unsuitable(target)
        if reason is not None:
            return reason
        try:
            installed = library().get_available_providers()
        except ImportError as error:
            return f"The package onnxruntime must import, but: {error}."
        provider = provider_of(target)
        if provider.name not in installed:
            return (
                f"ONNX Runtime's {provider.title} provider must be installed, but this build has only "
                f"{', '.join(installed)}: install the package onnxruntime-gpu in place of onnxruntime."
            )
        return None

    def versions(self) -> dict[str, str]:
        """Return the version of the library."""
        self.require(Target(runtime=self.name))
        return {"onnxruntime": str(library().__version__)}

    def width_quantum(self, profile: HardwareProfile, device: str = "cpu") -> int:
        """Return the channel block of the library's NCHWc layout: channels are padded to it.

        16 with AVX-512, 8 with AVX2, else the 4 that a blocked layout needs at least. Where the flags are unknown,
        16: its steps are steps on each of these machines.
        """
        if device != "cpu":
            return GPU_QUANTUM
        if profile.cpu_flags is None or "avx512f" in profile.cpu_flags:
            return 16
        return 8 if "avx2" in profile.cpu_flags else 4

    def profiles(self, target: Target) -> bool:
        """Tell whether nodes are told apart: on a GPU, the library's profile says only when kernels were launched."""
        return target.device == "cpu"

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Load a file, bind random inputs and run it once.

        Raises:
            ArtefactError: The library cannot load or run the file, or its batch is not the target's.
            RuntimeUnavailableError: The target cannot be used here.
        """
        self.require(target)
        return _OnnxSession(artefact, target, rng)

    def plain(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Load a file without any optimisation of its graph.

        Raises:
            ArtefactError: See `load`.
            RuntimeUnavailableError: Likewise.
        """
        self.require(target)
        return _OnnxSession(artefact, target, rng, optimised=False)


class _OnnxSession(Session):
    def __init__(
        self, artefact: bytes | Path, target: Target, rng: np.random.Generator, *, optimised: bool = True
    ) -> None:
        self._content, self._target = onnx_content(artefact, "ONNX Runtime"), target
        options = session_options(target)
        if not optimised:
            options.graph_optimization_level = library().GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = start_session(self._content, target, options)
        self._specs = tuple(_input_spec(value, target.batch) for value in self._session.get_inputs())
        self._output_names = [output.name for output in self._session.get_outputs()]
        self._inputs = random_inputs(self._specs, rng)
        self._bound = _bind(self._session, self._inputs, self._output_names, target.device)

    @property
    def threads(self) -> int | None:
        return self._target.threads if self._target.device == "cpu" else None

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return self._specs

    def run(self) -> None:
        # On a GPU, the library waits for it at the end of a run.
        self._open().run_with_iobinding(self._bound)

    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        session = self._open()
        check_feeds(self._specs, feeds)
        arrays = session.run(self._output_names, {spec.name: feeds[spec.name] for spec in self._specs})
        return dict(zip(self._output_names, arrays, strict=True))

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        self._open()
        check_profile_runs(runs)
        if self._target.device != "cpu":
            # See `OnnxRuntime.profiles`.
            return ()
        return profile_nodes(self._content, self._inputs, self._target, runs)

    def close(self) -> None:
        self._session = self._bound = None

    def _open(self) -> Any:
        check_open(self._session is not None)
        return self._session


def _bind(session: Any, inputs: Arrays, output_names: list[str], device: str) -> Any:
    """Return a binding with inputs and outputs in place on the device, so that timed runs neither copy nor allocate."""
    ort_value, bound = library().OrtValue, session.io_binding()
    try:
        for name, array in inputs.items():
            bound.bind_ortvalue_input(name, ort_value.ortvalue_from_numpy(array, device, 0))
        for name in output_names:
            bound.bind_output(name, device, 0)
        session.run_with_iobinding(bound)
        for name, value in zip(output_names, bound.get_outputs(), strict=True):
            bound.bind_ortvalue_output(name, value)
        session.run_with_iobinding(bound)
    except Exception as error:
        raise artefact_error("run", error) from error
    return bound


def _input_spec(value: Any, batch: int) -> InputSpec:
    if value.type not in _DTYPES:
        raise ArtefactError(
            f"An input must have one of the types {', '.join(_DTYPES)}, but {value.name!r} has {value.type}."
        )
    sizes = [size if isinstance(size, int) else None for size in value.shape]
    return InputSpec(value.name, bound_shape(value.name, sizes, batch), _DTYPES[value.type])
