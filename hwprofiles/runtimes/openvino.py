"""OpenVINO on the CPU."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtefactError
from ..onnx_file import onnx_content
from ..probe import probe
from ..profile import HardwareProfile
from ..target import Target
from ._base import (
    Arrays,
    ArtefactKind,
    InputSpec,
    NodeTime,
    Runtime,
    Session,
    bound_shape,
    check_feeds,
    check_open,
    check_profile_runs,
    onednn_block,
    out_of_reach,
    random_inputs,
)

DEVICE = "CPU"

# Precision of a target -> what the library calls it. Left to itself it runs fp32 files in bf16 where the CPU can.
HINTS = {"fp32": "f32", "bf16": "bf16"}

PRECISIONS = {"cpu": tuple(HINTS)}
"""Device -> precisions of targets on it."""

# What the CPU must have so that the library computes in a precision rather than falls back.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})

# How the library's messages name an operator.
_OPERATOR = re.compile(r"No conversion rule found for operations?: (?:[\w.]+\.)?(\w+)")


class OpenVino(Runtime):
    """Runs ONNX files with the CPU plugin: precision, threads and one stream fixed, denormals flushed."""

    name: ClassVar[str] = "openvino"
    artefact_kind: ClassVar[ArtefactKind] = "onnx"
    native: ClassVar[bool] = True

    def unavailable(self, target: Target) -> str | None:
        """Return one sentence that says why the target cannot be used here, or None where it can."""
        reason = out_of_reach("OpenVINO", self.name, PRECISIONS, target)
        if reason is not None:
            return reason
        if target.precision == "bf16" and not _BF16_FLAGS & set(probe().cpu_flags or ()):
            return "OpenVINO computes in bf16 where the CPU has avx512_bf16 or amx_bf16, but this one has neither."
        try:
            library()
        except ImportError as error:
            return f"The package openvino must import, but: {error}. Install it with `pip install 'lathe[openvino]'`."
        return None

    def versions(self) -> dict[str, str]:
        """Return the version of the library, with its build."""
        self.require(Target(runtime=self.name))
        return {"openvino": str(library().get_version())}

    def width_quantum(self, profile: HardwareProfile, device: str = "cpu") -> int:
        """Return the channel block of oneDNN, which the library computes with; see `onednn_block`."""
        return onednn_block(profile)

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Read and compile a file, bind random inputs and run it once.

        Raises:
            ArtefactError: The library cannot read, compile or run the file, its batch is not the target's, or it was
                compiled for another precision.
            RuntimeUnavailableError: The target cannot be used here.
        """
        self.require(target)
        return _OpenVinoSession(artefact, target, rng)


class _OpenVinoSession(Session):
    def __init__(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> None:
        self._content, self._target = onnx_content(artefact, "OpenVINO"), target
        model, self._specs = read(self._content, target.batch)
        self._compiled = compile_model(model, target)
        self._output_names = [output.get_any_name() for output in self._compiled.outputs]
        self._inputs = random_inputs(self._specs, rng)
        self._request = bound(self._compiled, self._specs, self._inputs)

    @property
    def threads(self) -> int:
        return self._target.threads

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return self._specs

    def run(self) -> None:
        self._open()
        infer(self._request)

    def outputs(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        self._open()
        check_feeds(self._specs, feeds)
        request = bound(self._compiled, self._specs, feeds)
        found = [np.array(request.get_output_tensor(i).data) for i in range(len(self._output_names))]
        return dict(zip(self._output_names, found, strict=True))

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        from .openvino_profile import profile_nodes

        self._open()
        check_profile_runs(runs)
        return profile_nodes(self._content, self._inputs, self._target, runs)

    def close(self) -> None:
        self._compiled = self._request = None

    def _open(self) -> None:
        check_open(self._request is not None)


def library() -> Any:
    """Return the library's module.

    Raises:
        ImportError: It is not installed.
    """
    return importlib.import_module("openvino")


def read(content: bytes, batch: int) -> tuple[Any, tuple[InputSpec, ...]]:
    """Return the library's model of a file, of fixed shapes, and its inputs.

    Raises:
        ArtefactError: The library cannot read it, or its batch is another.
    """
    try:
        model = core().read_model(content)
        specs = tuple(_input_spec(value, batch) for value in model.inputs)
        if model.is_dynamic():
            model.reshape({spec.name: list(spec.shape) for spec in specs})
    except RuntimeError as error:
        raise artefact_error("read", error) from error
    return model, specs


def compile_model(model: Any, target: Target, **more: Any) -> Any:
    """Compile a model for a target.

    Raises:
        ArtefactError: The library cannot compile it, or did so for another precision.
    """
    hint = HINTS[target.precision]
    settings = {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": target.threads,
        "NUM_STREAMS": "1",
        "PERFORMANCE_HINT": "LATENCY",
        # The timing pins the process; the library would pin its threads to a core of its own choice.
        "ENABLE_CPU_PINNING": False,
        "CPU_DENORMALS_OPTIMIZATION": True,
        **more,
    }
    try:
        compiled = core().compile_model(model, DEVICE, settings)
        found = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
    except RuntimeError as error:
        raise artefact_error("compile", error) from error
    if found not in (hint, hint.replace("bf16", "bfloat16")):
        raise ArtefactError(
            f"OpenVINO must compute in {target.precision}, but it compiled the file for {found}: choose another "
            "precision for the target."
        )
    return compiled


def bound(compiled: Any, specs: tuple[InputSpec, ...], inputs: Arrays) -> Any:
    """Return a request with its inputs in place, that ran once.

    Raises:
        ArtefactError: The library cannot run it.
    """
    request = compiled.create_infer_request()
    try:
        for index, spec in enumerate(specs):
            request.set_input_tensor(index, library().Tensor(np.ascontiguousarray(inputs[spec.name])))
        infer(request)
    except RuntimeError as error:
        raise artefact_error("run", error) from error
    return request


def infer(request: Any) -> None:
    """Run a request on the tensors that are bound to it, in this thread and without copying what comes out."""
    request.infer(share_outputs=True)


def core() -> Any:
    """Return a new entry to the library; its devices are loaded once a process."""
    return library().Core()


def artefact_error(verb: str, error: Exception) -> ArtefactError:
    """Return the library's complaint as an error that names the operator where it says so."""
    match = _OPERATOR.search(str(error))
    operator = next((group for group in match.groups() if group), None) if match else None
    where = f" at operator {operator}" if operator else ""
    return ArtefactError(f"OpenVINO cannot {verb} the file{where}: {error}", operator)


def _input_spec(value: Any, batch: int) -> InputSpec:
    name = value.get_any_name()
    sizes = [None if size.is_dynamic else size.get_length() for size in value.get_partial_shape()]
    return InputSpec(name, bound_shape(name, sizes, batch), np.dtype(value.get_element_type().to_dtype()).name)
