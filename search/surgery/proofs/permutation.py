"""The strongest proof of a combing: the order of units means nothing."""

from __future__ import annotations

import numpy as np
import torch

from ...graph import Blueprint, Selection, full
from ..cut import cut
from ._base import Proof, compare_runs, draw_like
from .scrambled import everything, scramble

PERMUTATION_TOLERANCE = 1e-9
"""Largest relative difference, in float64, at which two orders of the same units count as one network."""


def permutation(blueprint: Blueprint, rng: np.random.Generator) -> Proof:
    """Permute the units of every dim at random, slice anew, and compare outputs in float64.

    All parameters and buffers are scrambled first, so that no zero or one hides a mistake: what should have stayed
    together and came apart changes the output. Where each head or group keeps units of its own, each has an order of
    its own.
    """
    scrambled = scramble(blueprint, rng)
    order = {dim.name: [rng.permutation(dim.size) for _ in range(dim.outer)] for dim in blueprint.dims}
    before = cut(scrambled, everything(scrambled))
    after = cut(scrambled, Selection(full(scrambled), order))
    inputs = draw_like(blueprint.trace, rng, torch.float64)
    return compare_runs("permutation", before, after, inputs, PERMUTATION_TOLERANCE)
