"""The search for what is not additive: samplers propose, the really cut network is scored, a journal keeps it."""

from .errors import CorruptStudyError, StudyBusyError, StudyError, StudyMismatchError
from .front import pareto_front
from .objective import Objective, magnitudes, sensitivities
from .records import StudyResult, TrialRecord
from .samplers import SAMPLERS, make_sampler
from .study import StudySettings, run_study

__all__ = [
    "CorruptStudyError",
    "Objective",
    "SAMPLERS",
    "StudyBusyError",
    "StudyError",
    "StudyMismatchError",
    "StudySettings",
    "StudyResult",
    "TrialRecord",
    "magnitudes",
    "make_sampler",
    "pareto_front",
    "run_study",
    "sensitivities",
]
