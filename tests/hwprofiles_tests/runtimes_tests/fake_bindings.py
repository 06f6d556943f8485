"""Bindings that note what is used of them, and the plain types of the library TensorRT.

Real bindings are checked against these notes by `test_tensorrt_bindings.py`.
"""

from __future__ import annotations

from enum import IntEnum
from functools import wraps
from typing import Any

USES: set[tuple[str, str, int]] = set()
"""(class, member, number of arguments of a call; -1 for what is no method) that was used."""


class Noted:
    """Notes every public member that is read, called or set."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("_"):
            return value
        owner = type(self).__name__
        if not callable(value):
            USES.add((owner, name, -1))
            return value

        @wraps(value)
        def call(*args: Any) -> Any:
            USES.add((owner, name, len(args)))
            return value(*args)

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            USES.add((type(self).__name__, name, -1))
        super().__setattr__(name, value)


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    Severity = Severity

    def __init__(self) -> None:
        pass

    def log(self, severity: Any, msg: str) -> None:
        raise NotImplementedError


class IProfiler:
    def __init__(self) -> None:
        pass

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        raise NotImplementedError


class ProfilingVerbosity(IntEnum):
    NONE = 1
    DETAILED = 2


class MemoryPoolType(IntEnum):
    WORKSPACE = 0


class BuilderFlag(IntEnum):
    TF32 = 7


class NetworkDefinitionCreationFlag(IntEnum):
    STRONGLY_TYPED = 1


class TensorIOMode(IntEnum):
    INPUT = 1
    OUTPUT = 2


class LayerInformationFormat(IntEnum):
    JSON = 1


ENUMS: tuple[type[IntEnum], ...] = (
    ProfilingVerbosity, MemoryPoolType, BuilderFlag, NetworkDefinitionCreationFlag, TensorIOMode,
    LayerInformationFormat,
)  # fmt: skip
