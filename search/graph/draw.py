"""Draw candidates from a blueprint without a search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import floor

import numpy as np

from .axes import Axis, Concat
from .blueprint import Blueprint
from .candidate import Candidate, Choices
from .forms import edited


def full(blueprint: Blueprint) -> Candidate:
    """Return the unpruned network as a candidate."""
    return assemble(blueprint, {dim.name: dim.size for dim in blueprint.dims})


def uniform(blueprint: Blueprint, ratio: float) -> Candidate:
    """Remove the same share of every dim and keep all blocks; of a product only one factor is cut.

    Args:
        blueprint: The combed network.
        ratio: Share of units removed of each dim, in [0, 1); the width that stays is rounded half up, and at least
            1 and the dim's least width. What is cut of a product says `one_per_product`.

    Raises:
        ValueError: The ratio is outside [0, 1).
    """
    if not 0 <= ratio < 1:
        raise ValueError(f"0 <= ratio < 1 must hold (the share of units removed), but got {ratio}.")
    chosen = one_per_product(blueprint)
    widths = {d.name: max(d.least, floor(d.size * (1 - ratio) + 0.5)) for d in blueprint.dims}
    return assemble(blueprint, {d.name: widths[d.name] if d.name in chosen else d.size for d in blueprint.dims})


def one_per_product(blueprint: Blueprint) -> frozenset[str]:
    """Return dims of which no two are factors of one product, and to which no further can be added.

    The outermost factor goes first (heads before the inside of heads), but the number of groups comes last (the
    inside of groups is cut instead).
    """
    rivals = _rivals(blueprint)
    chosen: set[int] = set()
    for dim in sorted(blueprint.dims, key=lambda d: d.counts_groups):
        if not rivals[dim.atom] & chosen:
            chosen.add(dim.atom)
    return frozenset(dim.name for dim in blueprint.dims if dim.atom in chosen)


def _rivals(blueprint: Blueprint) -> dict[int, set[int]]:
    """Return for each dim the dims that are a factor of a product with it, in some parameter."""
    rivals: dict[int, set[int]] = {dim.atom: set() for dim in blueprint.dims}
    pending = [axis for axes in blueprint.parameters.values() for axis in axes]
    seen: set[Axis] = set()
    while pending:
        axis = blueprint.algebra.resolve(pending.pop())
        if axis in seen:
            continue
        seen.add(axis)
        factors = [rivals.keys() & set(blueprint.algebra.leaves((term,))) for term in axis]
        for i, mine in enumerate(factors):
            for atom in mine:
                rivals[atom] |= set().union(*(other for j, other in enumerate(factors) if j != i))
        pending.extend(part for term in axis if isinstance(term, Concat) for part in term.parts)
    return rivals


def sample(blueprint: Blueprint, rng: np.random.Generator, *, removal: float = 0.25) -> Candidate:
    """Draw every width uniformly from the least to the dim's size, and remove each block with probability `removal`."""
    removed = [block.name for block in blueprint.blocks if rng.random() < removal]
    return assemble(blueprint, {d.name: int(rng.integers(d.least, d.size + 1)) for d in blueprint.dims}, removed)


def assemble(blueprint: Blueprint, widths: Mapping[str, int], removed: Collection[str] = ()) -> Candidate:
    """Return the candidate of these widths without these blocks; dims that vanish with them are left out."""
    hidden = edited(blueprint, Choices(frozenset(removed))).hidden
    blocks = {b.name: "remove" if b.name in removed else "keep" for b in blueprint.blocks}
    return Candidate({name: width for name, width in widths.items() if name not in hidden}, blocks)
