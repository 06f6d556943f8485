"""The table of runtimes: plain words, so that a target can be checked without importing any of them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of target that a runtime serves, by its plainest target.

    Attributes:
        description: One line for the reader.
        device: What computes.
        precision: Of the plainest target.
        options: Likewise.
    """

    description: str
    device: str = "cpu"
    precision: str = "fp32"
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RuntimeEntry:
    """One row of the table.

    Attributes:
        home: Where its class is, `module:Class`; imported on demand.
        kinds: The kinds of targets that it serves.
        options: Options of it that change speed and so belong to a target's slug.
    """

    home: str
    kinds: tuple[Kind, ...]
    options: frozenset[str] = field(default_factory=frozenset)


RUNTIMES: dict[str, RuntimeEntry] = {
    "onnxruntime": RuntimeEntry(
        "hwprofiles.runtimes.onnxruntime:OnnxRuntime",
        (
            Kind("ONNX Runtime on the CPU, ONNX files"),
            Kind("ONNX Runtime's CUDA provider, ONNX files", "cuda"),
            Kind("ONNX Runtime's TensorRT provider, ONNX files", "cuda", "tf32", (("provider", "tensorrt"),)),
        ),
        frozenset({"provider"}),
    ),
    "openvino": RuntimeEntry("hwprofiles.runtimes.openvino:OpenVino", (Kind("OpenVINO on the CPU, ONNX files"),)),
    "torch": RuntimeEntry(
        "hwprofiles.runtimes.torch:TorchEager",
        (
            Kind("PyTorch eager on the CPU, exported programs"),
            Kind("PyTorch eager as a CUDA graph, exported programs", "cuda"),
        ),
        frozenset({"layout"}),
    ),
    "aotinductor": RuntimeEntry(
        "hwprofiles.runtimes.aotinductor:AotInductor",
        (
            Kind("PyTorch AOTInductor on the CPU, exported programs compiled to native code"),
            Kind("PyTorch AOTInductor on a GPU, exported programs compiled to native code", "cuda"),
        ),
    ),
    "tensorrt": RuntimeEntry(
        "hwprofiles.runtimes.tensorrt:TensorRt", (Kind("TensorRT, ONNX files built into engines", "cuda"),)
    ),
    "null": RuntimeEntry(
        "hwprofiles.runtimes.null:NullRuntime",
        (Kind("a latency law on a fake clock, for tests and trials; ONNX files"),),
    ),
}
"""Name -> runtime."""
