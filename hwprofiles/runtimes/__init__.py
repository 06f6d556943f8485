"""Ways to run files: one runtime a file, and the tables that name them."""

from ._base import VALUES_FILE, ArtefactKind, InputSpec, NodeTime, Runtime, Session
from .law import DEFAULT_LAW, StaircaseLaw
from .null import FakeClock, NullRuntime
from .registry import RUNTIMES, TargetStatus, available_targets, get_runtime, unavailable
from .torch_graph import graph_bytes

__all__ = [
    "ArtefactKind",
    "DEFAULT_LAW",
    "FakeClock",
    "InputSpec",
    "NodeTime",
    "NullRuntime",
    "RUNTIMES",
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
