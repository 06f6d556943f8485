"""The search itself: the exact answer for what is additive, a study for what is not, and the run around them."""

from .folder import open_folder, stage_seconds
from .naming import load_config, names
from .plan import Plan, plan
from .pruning import Pruned, PruneSettings, prune
from .run import Outcome, Prepare, execute, run

__all__ = [
    "Outcome",
    "Plan",
    "Prepare",
    "PruneSettings",
    "Pruned",
    "execute",
    "load_config",
    "names",
    "open_folder",
    "plan",
    "prune",
    "run",
    "stage_seconds",
]
