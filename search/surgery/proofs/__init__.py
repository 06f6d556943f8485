"""Proofs that a cut is right; each returns what it measured."""

from ._base import Proof, compare, draw_like, flat, outputs
from .permutation import permutation
from .reloaded import reloaded
from .scrambled import everything, scramble
from .silenced import silenced

__all__ = [
    "Proof",
    "compare",
    "draw_like",
    "everything",
    "flat",
    "outputs",
    "permutation",
    "reloaded",
    "scramble",
    "silenced",
]
