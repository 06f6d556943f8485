"""Train networks, alone or with a teacher, and score them."""

from .distil import training_loss
from .evaluate import evaluate, evaluate_module
from .result import EpochRecord, FitResult, FitStep
from .train import fit

__all__ = ["EpochRecord", "FitResult", "FitStep", "evaluate", "evaluate_module", "fit", "training_loss"]
