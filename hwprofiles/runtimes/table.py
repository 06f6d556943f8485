"""The tables of runtimes, and of the kinds of targets that they serve."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from ..target import RUNTIME_NAMES, Target, near_match
from ._base import Runtime


class TargetStatus(NamedTuple):
    """One line of what this machine can time.

    Attributes:
        target: The plainest target of its kind.
        description: One line.
        state: Library -> version where the target can be used here, else the sentence that says why not.
    """

    target: Target
    description: str
    state: dict[str, str] | str


# Name -> where its class is, imported on demand.
RUNTIMES: dict[str, str] = {
    "onnxruntime": "hwprofiles.runtimes.onnxruntime:OnnxRuntime",
    "openvino": "hwprofiles.runtimes.openvino:OpenVino",
    "torch": "hwprofiles.runtimes.torch:TorchEager",
    "aotinductor": "hwprofiles.runtimes.aotinductor:AotInductor",
    "tensorrt": "hwprofiles.runtimes.tensorrt:TensorRt",
    "null": "hwprofiles.runtimes.null:NullRuntime",
}

# The plainest target of each kind -> one-line description.
KINDS: dict[Target, str] = {
    Target("onnxruntime"): "ONNX Runtime on the CPU, ONNX files",
    Target("onnxruntime", "cuda"): "ONNX Runtime's CUDA provider, ONNX files",
    Target("onnxruntime", "cuda", "tf32", options=(("provider", "tensorrt"),)): (
        "ONNX Runtime's TensorRT provider, ONNX files"
    ),
    Target("openvino"): "OpenVINO on the CPU, ONNX files",
    Target("torch"): "PyTorch eager on the CPU, exported programs",
    Target("torch", "cuda"): "PyTorch eager as a CUDA graph, exported programs",
    Target("aotinductor"): "PyTorch AOTInductor on the CPU, exported programs compiled to native code",
    Target("aotinductor", "cuda"): "PyTorch AOTInductor on a GPU, exported programs compiled to native code",
    Target("tensorrt", "cuda"): "TensorRT, ONNX files built into engines",
    Target("null"): "a latency law on a fake clock, for tests and trials; ONNX files",
}


def get_runtime(name: str) -> Runtime:
    """Return a new runtime by name.

    Raises:
        ValueError: There is no runtime of that name.
    """
    if name not in RUNTIMES:
        near = near_match(name, RUNTIME_NAMES)
        raise ValueError(f"A runtime must be one of {', '.join(RUNTIME_NAMES)}, but got {name!r}{near}")
    module, _, attribute = RUNTIMES[name].partition(":")
    runtime = getattr(importlib.import_module(module), attribute)()
    if not isinstance(runtime, Runtime):
        raise TypeError(f"RUNTIMES must name subclasses of Runtime, but {name!r} gave {type(runtime).__name__}.")
    return runtime


def unavailable(target: Target) -> str | None:
    """Return one sentence that says why a target cannot be used here, or None where it can."""
    return get_runtime(target.runtime).unavailable(target)


def available_targets() -> list[TargetStatus]:
    """Return what this machine can time, and why not the rest."""
    return [_status(target, description) for target, description in KINDS.items()]


def _status(target: Target, description: str) -> TargetStatus:
    runtime = get_runtime(target.runtime)
    reason = runtime.unavailable(target)
    return TargetStatus(target, description, reason if reason is not None else runtime.versions())
