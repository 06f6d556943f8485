"""OpenVINO: the runtime, how it compiles and runs a file, and its profiles."""

from .runtime import OpenVino

__all__ = ["OpenVino"]
