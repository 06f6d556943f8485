"""Proofs that a cut is right; each returns what it measured."""

from ._base import Proof, compare, draw_like, flat, outputs
from .original import original
from .pairs import undecided
from .permutation import permutation
from .reloaded import reloaded
from .scrambled import everything, scramble
from .silenced import silenced
from .trains import trains

__all__ = [
    "Proof",
    "compare",
    "draw_like",
    "everything",
    "flat",
    "original",
    "outputs",
    "permutation",
    "reloaded",
    "scramble",
    "silenced",
    "trains",
    "undecided",
]
