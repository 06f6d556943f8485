"""Train networks, alone or with a teacher, and score them."""

from .distil import training_loss
from .evaluate import evaluate, evaluate_module
from .optimizers import OPTIMIZERS
from .result import EpochRecord, FitResult, FitStep
from .schedule import Duration, Length
from .threads import FreeThreads, free_thread_count
from .train import fit

__all__ = [
    "OPTIMIZERS",
    "Duration",
    "EpochRecord",
    "FitResult",
    "FitStep",
    "FreeThreads",
    "Length",
    "evaluate",
    "evaluate_module",
    "fit",
    "free_thread_count",
    "training_loss",
]
