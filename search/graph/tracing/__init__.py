"""From a user's model to one flat, functional graph in one spelling, and where each of its calls comes from."""

from .calls import is_mutable, is_region, operator_name
from .dead import drop_dead, drop_dead_calls
from .lines import module_path, source_line, user_line
from .trace import Trace, dynamic_batch, trace
from .training_only import training_only

__all__ = [
    "Trace",
    "drop_dead",
    "drop_dead_calls",
    "dynamic_batch",
    "is_mutable",
    "is_region",
    "module_path",
    "operator_name",
    "source_line",
    "trace",
    "training_only",
    "user_line",
]
