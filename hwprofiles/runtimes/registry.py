"""The tables of runtimes: those that are built, and those that are named but not built yet."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from ..errors import RuntimeUnavailableError
from ..target import RUNTIME_NAMES, Target, near_match
from ._base import Runtime


class RuntimeStatus(NamedTuple):
    """One line of what this machine can time.

    Attributes:
        name: Of the runtime.
        description: One line.
        state: Library -> version where the runtime can be used here, else the sentence that says why not.
    """

    name: str
    description: str
    state: dict[str, str] | str


# Name -> (where its class is, imported on demand; one-line description).
RUNTIMES: dict[str, tuple[str, str]] = {
    "onnxruntime": ("hwprofiles.runtimes.onnxruntime:OnnxRuntime", "ONNX Runtime on the CPU, ONNX files"),
    "openvino": ("hwprofiles.runtimes.openvino:OpenVino", "OpenVINO on the CPU, ONNX files"),
    "torch": ("hwprofiles.runtimes.torch:TorchEager", "PyTorch eager on the CPU, exported programs"),
    "null": ("hwprofiles.runtimes.null:NullRuntime", "a latency law on a fake clock, for tests and trials; ONNX files"),
}

# Name -> (one-line description, why it cannot be used).
NOT_BUILT: dict[str, tuple[str, str]] = {
    "aotinductor": ("PyTorch AOTInductor", "The runtime aotinductor is not built into this version yet."),
    "tensorrt": ("TensorRT on NVIDIA GPUs", "The runtime tensorrt is not built into this version yet."),
}


def get_runtime(name: str) -> Runtime:
    """Return a new runtime by name.

    Raises:
        ValueError: There is no runtime of that name.
        RuntimeUnavailableError: It is not built into this version.
    """
    if name in NOT_BUILT:
        raise RuntimeUnavailableError(NOT_BUILT[name][1])
    if name not in RUNTIMES:
        near = near_match(name, RUNTIME_NAMES)
        raise ValueError(f"A runtime must be one of {', '.join(RUNTIME_NAMES)}, but got {name!r}{near}")
    module, _, attribute = RUNTIMES[name][0].partition(":")
    runtime = getattr(importlib.import_module(module), attribute)()
    if not isinstance(runtime, Runtime):
        raise TypeError(f"RUNTIMES must name subclasses of Runtime, but {name!r} gave {type(runtime).__name__}.")
    return runtime


def unavailable(target: Target) -> str | None:
    """Return one sentence that says why a target cannot be used here, or None where it can."""
    if target.runtime in NOT_BUILT:
        return NOT_BUILT[target.runtime][1]
    return get_runtime(target.runtime).unavailable(target)


def available_targets() -> list[RuntimeStatus]:
    """Return what this machine can time, and why not the rest: (name, description, versions or reason)."""
    return [_status(name) for name in RUNTIME_NAMES]


def _status(name: str) -> RuntimeStatus:
    if name in NOT_BUILT:
        return RuntimeStatus(name, *NOT_BUILT[name])
    runtime, description = get_runtime(name), RUNTIMES[name][1]
    reason = runtime.unavailable(Target(runtime=name))
    return RuntimeStatus(name, description, reason if reason is not None else runtime.versions())
