"""From a user's model to one flat, functional graph in one spelling, and where each of its calls comes from."""

from .calls import is_mutable, is_region, operator_name
from .dead import drop_dead, drop_dead_calls
from .draws import drawing, draws_numbers, seeded_draws
from .lines import module_path, source_line, user_line
from .modes import MODES, conventional, keeps_statistics, set_argument, switch, switch_of
from .states import right_states
from .trace import Trace, dynamic_batch, trace
from .training_only import training_only

__all__ = [
    "MODES",
    "Trace",
    "conventional",
    "drawing",
    "draws_numbers",
    "drop_dead",
    "drop_dead_calls",
    "dynamic_batch",
    "is_mutable",
    "is_region",
    "keeps_statistics",
    "module_path",
    "operator_name",
    "right_states",
    "seeded_draws",
    "set_argument",
    "source_line",
    "switch",
    "switch_of",
    "trace",
    "training_only",
    "user_line",
]
