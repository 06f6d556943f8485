"""Proportions to a network inside the budget: a sampler says how widths relate, the latency table says how much.

The scaled network at scale `s` has, for each dim, the widest level that is not above `s * proportion * full size` (at
least the smallest level). Levels change only where `s * proportion * full size` meets a level, so all scaled networks
there are can be priced at once. That finds the largest fitting scale also where latency falls as a network grows,
which bisection would miss.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..graph.candidate import Candidate
from ..space import SearchSpace

Levels = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What became of some proportions.

    Attributes:
        candidate: The network, always inside the budget; None when these removed blocks leave no such network.
        latency_s: Its predicted seconds; without a candidate the least seconds that these removed blocks allow.
        reason: Why there is no candidate; empty when there is one.
    """

    candidate: Candidate | None
    latency_s: float
    reason: str = ""


def propose(
    space: SearchSpace, proportions: Mapping[str, float], removed: Collection[str], budget_s: float
) -> Proposal:
    """Find the largest network of these proportions inside the budget, then use up what is left of it.

    The rest of the budget goes to single dims, the dim that is furthest behind its proportion first: it rises to its
    nearest wider level that fits. Where no scaled network fits (the narrowest may be slow), the fastest network with
    these removed blocks is the start instead.

    Args:
        space: What is on offer.
        proportions: Dim name -> share of its full size, over 0 and up to 1; only their relation matters. Those of
            hidden dims may be missing.
        removed: Blocks that are removed.
        budget_s: Most predicted seconds.

    Raises:
        ValueError: A proportion is missing or out of range, or a name is unknown.
    """
    hidden = space.hidden(removed)
    shares = _shares(space, proportions, hidden)
    mask = np.array([name in removed for name in space.block_names], dtype=np.bool_)
    levels = _largest_scaled(space, shares, mask, budget_s)
    if levels is None:
        fastest = space.smallest(removed)
        levels, _ = space.encode(*space.levels_of(fastest))
        seconds = _price(space, levels[None, :], mask)[0]
        if seconds > budget_s:
            return Proposal(None, float(seconds), _reason(removed, float(seconds), budget_s))
    levels = _fill(space, levels, shares, mask, budget_s)
    return Proposal(space.decode(levels, mask), float(_price(space, levels[None, :], mask)[0]))


def _reason(removed: Collection[str], seconds: float, budget_s: float) -> str:
    gone = f"blocks {sorted(removed)} removed" if removed else "every block kept"
    return f"With {gone} the least reachable latency is {seconds:.6g} s, over the budget of {budget_s:.6g} s."


def _shares(space: SearchSpace, proportions: Mapping[str, float], hidden: Collection[str]) -> NDArray[np.float64]:
    """Return the proportion of each dim, NaN for hidden ones, shape `(n_dims,)`."""
    unknown = sorted(set(proportions) - set(space.dims))
    if unknown:
        raise ValueError(f"Proportions are given by dim name, but these are no dims of the space: {unknown}.")
    shares = np.full(len(space.dims), np.nan)
    for index, dim in enumerate(space.dims):
        if dim in hidden:
            continue
        share = proportions.get(dim)
        if share is None or not 0 < share <= 1:
            raise ValueError(f"A proportion must be over 0 and at most 1, but dim {dim!r} has {share}.")
        shares[index] = share
    return shares


def _price(space: SearchSpace, levels: Levels, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return space.latencies(levels, np.broadcast_to(mask, (len(levels), mask.size)))


def _largest_scaled(
    space: SearchSpace, shares: NDArray[np.float64], mask: NDArray[np.bool_], budget_s: float
) -> Levels | None:
    """Return the levels at the largest scale that fits, shape `(n_dims,)`, or None where none fits."""
    steps = [np.array(knob.levels) / (share * knob.full) for knob, share in zip(space.widths, shares, strict=True)]
    shown = [steps[index] for index in np.flatnonzero(~np.isnan(shares))]
    scales = np.unique(np.concatenate([np.zeros(1), *shown]))
    levels = np.empty((scales.size, len(steps)), dtype=np.intp)
    for index, own in enumerate(steps):
        # The same floats are compared as make up `scales`, so a level is reached exactly at its own step.
        reached = np.searchsorted(own, scales, side="right") - 1
        levels[:, index] = len(own) - 1 if np.isnan(shares[index]) else np.maximum(reached, 0)
    fitting = np.flatnonzero(_price(space, levels, mask) <= budget_s)
    return levels[fitting[-1]] if fitting.size else None


def _fill(
    space: SearchSpace, levels: Levels, shares: NDArray[np.float64], mask: NDArray[np.bool_], budget_s: float
) -> Levels:
    """Raise single dims while the budget allows, the one furthest behind its proportion first."""
    wanted = [share * knob.full for knob, share in zip(space.widths, shares, strict=True)]
    while True:
        rises = [
            (space.widths[dim].levels[levels[dim]] / wanted[dim], dim, level)
            for dim in np.flatnonzero(~np.isnan(shares))
            for level in range(levels[dim] + 1, space.n_levels[dim])
        ]
        if not rises:
            return levels
        rises.sort()
        raised = np.repeat(levels[None, :], len(rises), axis=0)
        raised[np.arange(len(rises)), [dim for _, dim, _ in rises]] = [level for _, _, level in rises]
        fitting = np.flatnonzero(_price(space, raised, mask) <= budget_s)
        if not fitting.size:
            return levels
        levels = raised[fitting[0]]
