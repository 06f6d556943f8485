"""Which network is best inside a budget: exactly for what is additive, and by projection of proportions."""

from .exact import Solution, least_latency, solve, summed_loss
from .proposal import Proposal, propose

__all__ = [
    "Proposal",
    "Solution",
    "least_latency",
    "propose",
    "solve",
    "summed_loss",
]
