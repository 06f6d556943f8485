"""What ONNX Runtime computes with: its execution providers, and how each is set up so that it is that one or an error.

Left to itself the library falls back to its CPU provider where another does not start, and for single operators that
another lacks. Neither happens here: a session has one provider, whose absence is an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...target import Target
from ..kept import own_folder

OPTION = "provider"
"""Option of a target that names the provider on a GPU."""

_NO_TF32 = "NVIDIA_TF32_OVERRIDE"


@dataclass(frozen=True, slots=True)
class Provider:
    """One execution provider.

    Attributes:
        name: The library's.
        title: For messages.
        precisions: Of targets that it serves.
    """

    name: str
    title: str
    precisions: tuple[str, ...]


CPU = Provider("CPUExecutionProvider", "CPU", ("fp32",))

ON_GPU: Mapping[str, Provider] = {
    "cuda": Provider("CUDAExecutionProvider", "CUDA", ("fp32", "tf32")),
    "tensorrt": Provider("TensorrtExecutionProvider", "TensorRT", ("fp32", "tf32")),
}
"""Value of the option -> provider; the first is the default."""


def unsuitable(target: Target) -> str | None:
    """Return one sentence that says why no provider serves a target, installed or not; None where one does."""
    given = dict(target.options).get(OPTION)
    if target.device == "cpu" and given is not None:
        return f"The option {OPTION} is for the device cuda, but {target.slug} is on the CPU; leave it out."
    if target.device not in ("cpu", "cuda"):
        return f"ONNX Runtime serves the devices cpu and cuda here, but got {target.device!r}."
    if given is not None and given not in ON_GPU:
        return f"The option {OPTION} must be one of {', '.join(ON_GPU)}, but got {given!r}."
    provider = provider_of(target)
    if target.precision not in provider.precisions:
        known = " and ".join(provider.precisions)
        return f"ONNX Runtime's {provider.title} provider serves {known} here, but got {target.precision!r}."
    if given == "tensorrt" and target.precision == "fp32" and os.environ.get(_NO_TF32) != "0":
        # The provider has no setting of its own for it.
        return (
            f"ONNX Runtime's TensorRT provider computes fp32 files in tf32 unless {_NO_TF32}=0 is in the environment "
            "when the process starts: set it, or choose the precision tf32."
        )
    return None


def provider_of(target: Target) -> Provider:
    """Return the provider that serves a target which is not `unsuitable`."""
    if target.device == "cpu":
        return CPU
    return ON_GPU[dict(target.options).get(OPTION, next(iter(ON_GPU)))]


def settings(target: Target) -> dict[str, Any]:
    """Return the provider's own options for a target, as the library takes them."""
    if target.device == "cpu":
        return {}
    if provider_of(target).title == "CUDA":
        return {
            "device_id": "0",
            "use_tf32": "1" if target.precision == "tf32" else "0",
            # Each convolution is given the algorithm that is fastest on this GPU, found before anything is timed.
            "cudnn_conv_algo_search": "EXHAUSTIVE",
        }
    folder = own_folder("onnxruntime-tensorrt")
    # One timing cache for all files: a layer that occurs in two networks is given the same kernel in both.
    return {"device_id": "0", "trt_timing_cache_enable": "1", "trt_timing_cache_path": str(folder)}
