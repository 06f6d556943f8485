"""ONNX Runtime on the CPU."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtefactError
from ..profile import HardwareProfile
from ..target import Target
from ._base import (
    Arrays,
    InputSpec,
    NodeTime,
    Runtime,
    Session,
    bound_shape,
    check_feeds,
    check_open,
    check_profile_runs,
    random_inputs,
)

_PROVIDERS = ["CPUExecutionProvider"]

# Errors only; the library's own number.
_LOG_SEVERITY = 3

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

# The ways in which the library's messages name an operator.
_OPERATOR = re.compile(
    r'In Node, \("[^"]*", (\w+)'
    r"|[Nn]o [Oo]p registered for (\w+)"
    r"|Fatal error: (\S+?)\(-?\d+\) is not a registered"
    r"|while running (\w+) node"
    r"|implementation for (\w+)\("
)


class OnnxRuntime(Runtime):
    """Runs ONNX files with the CPU provider, in sequence, with all graph optimisations, denormals flushed."""

    name: ClassVar[str] = "onnxruntime"
    artefact_kind: ClassVar[Literal["onnx", "exported_program"]] = "onnx"
    native: ClassVar[bool] = True

    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""
        if target.runtime != self.name:
            return f"ONNX Runtime serves targets of the runtime onnxruntime only, but got {target.slug}."
        if target.device != "cpu":
            return f"ONNX Runtime is built into this version for the device cpu only, but got {target.device!r}."
        if target.precision != "fp32":
            return f"ONNX Runtime is built into this version for fp32 only, but got {target.precision!r}."
        try:
            _library()
        except ImportError as error:
            return f"The package onnxruntime must import, but: {error}."
        return None

    def versions(self) -> dict[str, str]:
        """Return the version of the library."""
        self.require(Target(runtime=self.name))
        return {"onnxruntime": str(_library().__version__)}

    def width_quantum(self, profile: HardwareProfile) -> int:
        """Return the channel block of the library's NCHWc layout: channels are padded to it.

        16 with AVX-512, 8 with AVX2, else the 4 that a blocked layout needs at least. Where the flags are unknown,
        16: its steps are steps on each of these machines.
        """
        if profile.cpu_flags is None or "avx512f" in profile.cpu_flags:
            return 16
        return 8 if "avx2" in profile.cpu_flags else 4

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Load a file, bind random inputs and run it once.

        Raises:
            ArtefactError: The library cannot load or run the file, or its batch is not the target's.
            RuntimeUnavailableError: The target cannot be used here.
        """
        self.require(target)
        return _OnnxSession(artefact, target, rng)


class _OnnxSession(Session):
    def __init__(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> None:
        self._artefact = artefact
        self._threads = target.threads
        self._session = _start(artefact, session_options(target.threads))
        self._specs = tuple(_input_spec(value, target.batch) for value in self._session.get_inputs())
        self._output_names = [output.name for output in self._session.get_outputs()]
        self._inputs = random_inputs(self._specs, rng)
        self._bound = _bind(self._session, self._inputs, self._output_names)

    @property
    def threads(self) -> int:
        return self._threads

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return self._specs

    def run(self) -> None:
        self._open().run_with_iobinding(self._bound)

    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        session = self._open()
        check_feeds(self._specs, feeds)
        arrays = session.run(self._output_names, {spec.name: feeds[spec.name] for spec in self._specs})
        return dict(zip(self._output_names, arrays, strict=True))

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        from .onnxruntime_profile import profile_nodes

        self._open()
        check_profile_runs(runs)
        return profile_nodes(self._artefact, self._inputs, self._threads, runs)

    def close(self) -> None:
        self._session = self._bound = None

    def _open(self) -> Any:
        check_open(self._session is not None)
        return self._session


def session_options(threads: int) -> Any:
    """Return the library's options for a target of so many threads."""
    library = _library()
    options = library.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = library.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = library.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _LOG_SEVERITY
    # Random weights meet denormals, which are many times slower on some machines.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    if threads == 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    else:
        # Threads of the contestant before must not spin into the next one's turn.
        options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def start_session(model: bytes | str, options: Any) -> Any:
    """Start a session of the library.

    Raises:
        ArtefactError: It cannot load the file.
    """
    # The library's exceptions have no common base below Exception.
    try:
        return _library().InferenceSession(model, options, providers=_PROVIDERS)
    except Exception as error:
        raise _artefact_error("load", error) from error


def _start(artefact: bytes | Path, options: Any) -> Any:
    return start_session(str(artefact) if isinstance(artefact, Path) else artefact, options)


def _library() -> Any:
    return importlib.import_module("onnxruntime")


def _bind(session: Any, inputs: Arrays, output_names: list[str]) -> Any:
    """Return a binding with inputs and outputs in place, so that timed runs neither copy nor allocate."""
    library = _library()
    bound = session.io_binding()
    try:
        for name, array in inputs.items():
            bound.bind_ortvalue_input(name, library.OrtValue.ortvalue_from_numpy(array))
        for name in output_names:
            bound.bind_output(name, "cpu")
        session.run_with_iobinding(bound)
        for name, value in zip(output_names, bound.get_outputs(), strict=True):
            bound.bind_ortvalue_output(name, value)
        session.run_with_iobinding(bound)
    except Exception as error:
        raise _artefact_error("run", error) from error
    return bound


def _input_spec(value: Any, batch: int) -> InputSpec:
    if value.type not in _DTYPES:
        raise ArtefactError(
            f"An input must have one of the types {', '.join(_DTYPES)}, but {value.name!r} has {value.type}."
        )
    sizes = [size if isinstance(size, int) else None for size in value.shape]
    return InputSpec(value.name, bound_shape(value.name, sizes, batch), _DTYPES[value.type])


def _artefact_error(verb: str, error: Exception) -> ArtefactError:
    match = _OPERATOR.search(str(error))
    operator = next((group for group in match.groups() if group), None) if match else None
    where = f" at operator {operator}" if operator else ""
    return ArtefactError(f"ONNX Runtime cannot {verb} the file{where}: {error}", operator)
