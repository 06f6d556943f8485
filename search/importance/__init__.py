"""How much each unit matters."""

from ._base import Criterion, Scores
from .select import CRITERIA, score, select

__all__ = ["CRITERIA", "Criterion", "Scores", "score", "select"]
