"""The search itself: the exact answer for what is additive, a study for what is not."""

from .errors import CorruptStudyError, StudyBusyError, StudyError, StudyMismatchError
from .exact import Solution, least_latency, solve, summed_loss
from .front import pareto_front
from .proposal import Proposal, propose
from .records import StudyResult, TrialRecord
from .samplers import SAMPLERS, make_sampler
from .study import run_study

__all__ = [
    "CorruptStudyError",
    "Proposal",
    "SAMPLERS",
    "Solution",
    "StudyBusyError",
    "StudyError",
    "StudyMismatchError",
    "StudyResult",
    "TrialRecord",
    "least_latency",
    "make_sampler",
    "pareto_front",
    "propose",
    "run_study",
    "solve",
    "summed_loss",
]
