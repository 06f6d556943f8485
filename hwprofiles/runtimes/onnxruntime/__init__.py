"""ONNX Runtime: the runtime, how its sessions start, its providers and its profiles."""

from .runtime import OnnxRuntime

__all__ = ["OnnxRuntime"]
