"""From a network to the file that runs on the target, and the proof that it is fast enough."""

from .export import export, to_onnx
from .slicing import OnnxSlicer

__all__ = ["OnnxSlicer", "export", "to_onnx"]
