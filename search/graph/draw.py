"""Draw candidates from a blueprint without a search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import floor

import numpy as np

from .blueprint import Blueprint
from .candidate import Candidate


def full(blueprint: Blueprint) -> Candidate:
    """Return the unpruned network as a candidate."""
    return assemble(blueprint, {dim.name: dim.size for dim in blueprint.dims})


def uniform(blueprint: Blueprint, ratio: float) -> Candidate:
    """Remove the same share of every dim and keep all blocks.

    Args:
        blueprint: The combed network.
        ratio: Share of units removed of each dim, in [0, 1); the width that stays is rounded half up, at least 1.

    Raises:
        ValueError: The ratio is outside [0, 1).
    """
    if not 0 <= ratio < 1:
        raise ValueError(f"0 <= ratio < 1 must hold (the share of units removed), but got {ratio}.")
    return assemble(blueprint, {d.name: max(1, floor(d.size * (1 - ratio) + 0.5)) for d in blueprint.dims})


def sample(blueprint: Blueprint, rng: np.random.Generator, *, removal: float = 0.25) -> Candidate:
    """Draw every width uniformly from 1 to the dim's size, and remove each block with probability `removal`."""
    removed = [block.name for block in blueprint.blocks if rng.random() < removal]
    return assemble(blueprint, {d.name: int(rng.integers(1, d.size + 1)) for d in blueprint.dims}, removed)


def assemble(blueprint: Blueprint, widths: Mapping[str, int], removed: Collection[str] = ()) -> Candidate:
    """Return the candidate of these widths without these blocks; dims that vanish with them are left out."""
    hidden = blueprint.hidden(removed)
    blocks = {b.name: "remove" if b.name in removed else "keep" for b in blueprint.blocks}
    return Candidate({name: width for name, width in widths.items() if name not in hidden}, blocks)
