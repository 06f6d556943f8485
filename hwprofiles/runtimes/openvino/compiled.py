"""How the library reads, compiles and runs a file."""

from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np

from ...errors import ArtefactError
from ...target import Target
from .._base import Arrays, InputSpec
from ..inputs import bound_shape

DEVICE = "CPU"

# Precision of a target -> what the library calls it. Left to itself it runs fp32 files in bf16 where the CPU can.
HINTS = {"fp32": "f32", "bf16": "bf16"}

# How the library's messages name an operator.
_OPERATOR = re.compile(r"No conversion rule found for operations?: (?:[\w.]+\.)?(\w+)")


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
