"""PyTorch AOTInductor: the runtime, and its compiler in a process of its own."""

from .runtime import AotInductor

__all__ = ["AotInductor"]
