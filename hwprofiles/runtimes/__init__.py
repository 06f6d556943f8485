"""Ways to run files: the contract in `_base`, a folder for each runtime, and `table`, which makes them by name.

Beside them lies what several runtimes share: checks and inputs, compiled files that are kept, names in ONNX files,
CUDA, and child processes.
"""

from ._base import VALUES_FILE, ArtefactKind, InputSpec, NodeTime, Runtime, Session
from .isolation import IsolatedProfiler
from .null import DEFAULT_LAW, FakeClock, NullRuntime, StaircaseLaw
from .table import TargetStatus, available_targets, get_runtime, unavailable
from .torch import graph_bytes

__all__ = [
    "ArtefactKind",
    "DEFAULT_LAW",
    "FakeClock",
    "InputSpec",
    "IsolatedProfiler",
    "NodeTime",
    "NullRuntime",
    "Runtime",
    "Session",
    "StaircaseLaw",
    "TargetStatus",
    "VALUES_FILE",
    "available_targets",
    "get_runtime",
    "graph_bytes",
    "unavailable",
]
