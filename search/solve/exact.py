"""The exact answer to the part of the search that is additive: least summed loss inside the latency budget.

Loss is a sum over dims (what the removed pieces cost) and removed blocks; latency is the table's. Both are linear in
the variables of `search.space.linear`, so a mixed-integer solver gives the optimum and a proven bound in seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..graph.candidate import Candidate
from ..space import SearchSpace
from ..space.linear import solve_programme
from .proposal import propose

SLACK = 1e-6
"""Share of the budget that the solver is given on top, as much as its own tolerance: without it, it can miss a network
that uses the budget up exactly. What it then returns over the budget is forbidden, and it is asked again."""

MOST_REPEATS = 8
"""Networks over the budget that are forbidden one by one; after them the slack is taken off instead of given."""

LOSS_SCALE = 1e3
"""Size of the largest loss as the solver sees it: its absolute gap of 1e-6 is then a billionth of it."""

Status = Literal["optimal", "feasible", "infeasible"]


@dataclass(frozen=True, slots=True)
class Solution:
    """What the exact solver found.

    Attributes:
        candidate: The network, always inside the budget; None when infeasible.
        levels: Level index of each dim that is not hidden.
        removed: Removed blocks.
        loss: Summed loss of the candidate; infinite when infeasible.
        latency_s: Predicted seconds of the candidate; when infeasible the least reachable seconds.
        bound: Proven lower bound of the loss: no network inside the budget has less. Minus infinity where nothing
            was proven, infinite when infeasible.
        status: "optimal" (within the gap), "feasible" (the time ran out, or many networks lie within
            millionths of the budget; the bound says how good it is at worst) or "infeasible".
        reason: Sentence for the reader when the status is not "optimal".
    """

    candidate: Candidate | None
    levels: Mapping[str, int]
    removed: frozenset[str]
    loss: float
    latency_s: float
    bound: float
    status: Status
    reason: str = ""


def least_latency(space: SearchSpace) -> Solution:
    """Return the fastest network of the space as a solution, with its seconds as loss and bound."""
    candidate = space.smallest()
    levels, removed = space.levels_of(candidate)
    seconds = space.latency(levels, removed)
    return Solution(candidate, levels, removed, seconds, seconds, seconds, "optimal")


def solve(
    space: SearchSpace,
    value: Mapping[str, NDArray[np.float64]],
    block_loss: Mapping[str, float],
    budget_s: float,
    *,
    gap: float = 1e-3,
    time_limit_s: float,
) -> Solution:
    """Find the network of least summed loss inside the budget.

    Source: MDP (arXiv 2406.12079), linearised; see `search.space.linear`.

    Args:
        space: What is on offer.
        value: Dim name -> loss at each level, shape `(n_levels,)`, 0 at full width. Hidden dims lose nothing.
        block_loss: Block name -> loss of removing it, the loss of its dims included.
        budget_s: Most predicted seconds.
        gap: Relative gap between loss and bound at which to stop.
        time_limit_s: Seconds for one run of the solver; the best network so far is returned then. More runs follow
            only where a solution was over the budget by the solver's tolerance.

    Raises:
        ValueError: A loss is missing, not finite, not 0 at full width, or of the wrong length.
    """
    _check_losses(space, value, block_loss)
    least = space.smallest()
    least_s = space.latency_of(least)
    if not least_s <= budget_s:
        reason = f"The least reachable latency is {least_s:.6g} s, over the budget of {budget_s:.6g} s."
        return Solution(None, {}, frozenset(), np.inf, least_s, np.inf, "infeasible", reason)
    if not space.dims and not space.blocks:
        return Solution(least, {}, frozenset(), 0.0, least_s, 0.0, "optimal")
    found, bound, proven = _search(space, value, block_loss, budget_s, gap, time_limit_s)
    fallbacks = [least, propose(space, dict.fromkeys(space.dims, 1.0), (), budget_s).candidate]
    known = [candidate for candidate in (found, *fallbacks) if candidate is not None]
    best = min(known, key=lambda candidate: summed_loss(space, value, block_loss, candidate))
    loss = summed_loss(space, value, block_loss, best)
    done = proven or loss - bound <= gap * abs(loss)
    reason = (
        "" if done else f"The gap of {gap:g} was not reached: the loss is {loss:.6g}, its proven bound {bound:.6g}."
    )
    levels, removed = space.levels_of(best)
    seconds = space.latency(levels, removed)
    return Solution(best, levels, removed, loss, seconds, min(bound, loss), "optimal" if done else "feasible", reason)


def summed_loss(
    space: SearchSpace, value: Mapping[str, NDArray[np.float64]], block_loss: Mapping[str, float], candidate: Candidate
) -> float:
    """Return the summed loss of a candidate: its dims' levels plus its removed blocks."""
    levels, removed = space.levels_of(candidate)
    return float(sum(value[dim][level] for dim, level in levels.items()) + sum(block_loss[name] for name in removed))


def _search(
    space: SearchSpace,
    value: Mapping[str, NDArray[np.float64]],
    block_loss: Mapping[str, float],
    budget_s: float,
    gap: float,
    time_limit_s: float,
) -> tuple[Candidate | None, float, bool]:
    """Return the solver's best network inside the budget, the bound, and whether the gap was reached."""
    objective, scale = _objective(space, value, block_loss)
    over: list[NDArray[np.float64]] = []
    bound = -np.inf
    for slack in (*[SLACK] * MOST_REPEATS, -SLACK):
        allowed_s = float(space.bend.sums(budget_s * (1 + slack)))
        answer = solve_programme(
            space.programme, objective, budget_s=allowed_s, forbidden=over, gap=gap, time_limit_s=time_limit_s
        )
        whole = slack > 0
        # A smaller budget proves nothing about the whole one, and "no solution" is never true: the fastest is inside.
        bound = answer.bound / scale if whole and answer.bound < np.inf else bound
        if answer.levels is None or answer.removed is None or answer.point is None:
            break
        candidate = space.decode(answer.levels, answer.removed)
        if space.latency_of(candidate) <= budget_s:
            return candidate, bound, answer.proven and whole
        over.append(answer.point)
    return None, bound, False


def _objective(
    space: SearchSpace, value: Mapping[str, NDArray[np.float64]], block_loss: Mapping[str, float]
) -> tuple[NDArray[np.float64], float]:
    """Return the cost of each variable, and the scale that was applied to it."""
    programme = space.programme
    objective = np.zeros(programme.seconds.size)
    for dim, own in zip(space.dims, programme.levels, strict=True):
        objective[own] = value[dim]
    objective[programme.removed] = [block_loss[name] for name in space.block_names]
    largest = float(np.abs(objective).max(initial=0.0))
    scale = LOSS_SCALE / largest if largest > 0 else 1.0
    return objective * scale, scale


def _check_losses(
    space: SearchSpace, value: Mapping[str, NDArray[np.float64]], block_loss: Mapping[str, float]
) -> None:
    _check_names(value, space.dims, "dim")
    _check_names(block_loss, space.block_names, "block")
    for dim, n in zip(space.dims, space.n_levels, strict=True):
        losses = np.asarray(value[dim], dtype=np.float64)
        if losses.shape != (n,) or not np.isfinite(losses).all():
            raise ValueError(f"Dim {dim!r} needs {n} finite losses, one a level, but got {losses}.")
        # Sums of importances leave the last digits open.
        if abs(losses[-1]) > 1e-9 * np.abs(losses).max():
            raise ValueError(f"Full width loses nothing, but dim {dim!r} has a loss of {losses[-1]} there.")
    for name, loss in block_loss.items():
        if not np.isfinite(loss):
            raise ValueError(f"Removing a block has a finite loss, but block {name!r} has {loss}.")


def _check_names(given: Collection[str], known: Collection[str], what: str) -> None:
    odd = sorted(set(given) ^ set(known))
    if odd:
        raise ValueError(f"Each {what} of the space has a loss and nothing else has, but these are odd: {odd}.")
