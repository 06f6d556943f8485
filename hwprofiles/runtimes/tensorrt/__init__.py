"""TensorRT: the runtime, how it lowers and builds a file, and its profiles."""

from .runtime import TensorRt

__all__ = ["TensorRt"]
