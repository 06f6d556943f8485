"""The strongest proof of a combing: the order of units means nothing."""

from __future__ import annotations

import numpy as np
from torch import nn

from ...graph import Blueprint, Selection, full
from ..cut import cut
from ._base import Proof
from .pairs import Pair, compare_pair
from .scrambled import everything, scramble


def permutation(blueprint: Blueprint, rng: np.random.Generator) -> Proof:
    """Permute the units of every dim at random, slice anew, and compare outputs in float64.

    All parameters and buffers are scrambled first, so that no zero or one hides a mistake: what should have stayed
    together and came apart changes the output. Where each head or group keeps units of its own, each has an order of
    its own.
    """
    order = {dim.name: [rng.permutation(dim.size) for _ in range(dim.outer)] for dim in blueprint.dims}

    def networks(double: bool) -> tuple[nn.Module, nn.Module]:
        scrambled = scramble(blueprint, rng, double=double)
        return cut(scrambled, everything(scrambled)), cut(scrambled, Selection(full(scrambled), order))

    return compare_pair(Pair("permutation", networks), blueprint.trace, rng)
