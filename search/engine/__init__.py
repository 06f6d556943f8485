"""The search itself: the exact answer for what is additive, a study for what is not, and the run around them."""

from .errors import CorruptStudyError, StudyBusyError, StudyError, StudyMismatchError
from .exact import Solution, least_latency, solve, summed_loss
from .folder import RunFolder, make_folder, stage_seconds, translated
from .front import pareto_front
from .layout import FILES, REPORT_FILE, check_bundle, delivered
from .plan import Plan, plan
from .progress import Progress, Silent
from .proposal import Proposal, propose
from .pruning import Pruned, PruneSettings, prune
from .records import StudyResult, TrialRecord
from .run import BUNDLE, Outcome, Prepare, execute
from .samplers import SAMPLERS, make_sampler
from .stored import check_report
from .study import run_study

__all__ = [
    "BUNDLE",
    "FILES",
    "REPORT_FILE",
    "SAMPLERS",
    "CorruptStudyError",
    "Outcome",
    "Plan",
    "Progress",
    "Proposal",
    "Prepare",
    "PruneSettings",
    "Pruned",
    "RunFolder",
    "Silent",
    "Solution",
    "StudyBusyError",
    "StudyError",
    "StudyMismatchError",
    "StudyResult",
    "TrialRecord",
    "check_bundle",
    "check_report",
    "delivered",
    "execute",
    "least_latency",
    "make_folder",
    "make_sampler",
    "pareto_front",
    "plan",
    "propose",
    "prune",
    "run_study",
    "solve",
    "stage_seconds",
    "summed_loss",
    "translated",
]
