"""PyTorch eager: the runtime, programs and graphs as it loads them, its threads and its profiles."""

from .graph import graph_bytes
from .runtime import TorchEager

__all__ = ["TorchEager", "graph_bytes"]
