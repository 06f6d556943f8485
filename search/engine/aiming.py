"""Where the next round of a search aims: down after a miss, up where the budget is left unused.

The table predicts, the clock decides. Each finalist says by how much the table is off where it lies, and the next aim
is moved by that. All of it is a pure function of what the finalists so far measured, so a resumed run aims alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..bench import SAFETY
from .finalist import Finalist

MOST_ROUNDS = 6
"""Searches in one run. Where none was inside, the last aims as low as can be, so that "infeasible" is only said of a
budget that the fastest network was timed against."""

USED = 0.95
"""Share of a budget from which it counts as used."""

LEAST_RAISE = 1.005
"""Factor by which an aim must be raised to be worth a round: networks that differ by less are timed alike."""

UNDECIDED_STEP = 0.98
"""Most of an aim that is kept where a finalist's timing leaves open whether it is inside the budget."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a round searches within.

    Attributes:
        target_s: Most predicted seconds.
        fastest: Whether that is the least in reach, so that nothing faster is left.
    """

    target_s: float
    fastest: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """What a search can aim at.

    Attributes:
        budget_s: What must be met, in measured seconds.
        first_s: Predicted seconds of the first aim.
        least_s: Predicted seconds of the fastest network on offer.
        most_s: Predicted seconds of the unpruned network.
    """

    budget_s: float
    first_s: float
    least_s: float
    most_s: float


def next_aim(finalists: Sequence[Finalist], within: Range) -> Aim | None:
    """Return where the next round aims, or None where there is nothing more to find out.

    Args:
        finalists: Those of the rounds so far, in order.
        within: What can be aimed at.
    """
    if not finalists:
        return _bounded(within.first_s, within)
    left = MOST_ROUNDS - len(finalists)
    inside = [one for one in finalists if one.is_inside(within.budget_s)]
    if inside:
        return _raised(finalists, inside, within) if left > 0 else None
    if finalists[-1].fastest or left <= 0:
        return None
    if left == 1:
        return Aim(within.least_s, fastest=True)
    return _bounded(min(_lowered(one, within.budget_s) for one in finalists), within)


def chosen(finalists: Sequence[Finalist], budget_s: float) -> Finalist | None:
    """Return the finalist to prove: of those inside the budget the one of least objective, the slowest of equals.

    The fastest network on offer has the benefit of the doubt, where nothing was inside.
    """
    inside = [one for one in finalists if one.is_inside(budget_s)]
    if inside:
        return min(inside, key=lambda one: (one.objective, -one.measured.median))
    last = finalists[-1] if finalists else None
    return last if last is not None and last.is_worth_proving(budget_s) else None


def _bounded(target_s: float, within: Range) -> Aim:
    target_s = min(target_s, within.most_s)
    return Aim(max(target_s, within.least_s), fastest=target_s <= within.least_s)


def _lowered(one: Finalist, budget_s: float) -> float:
    """Return an aim below a finalist that is over the budget, or not surely inside."""
    # The prediction, not only the target, is what was too low: widths are stairs, and a target that is a little
    # lower may be met by the very same network.
    start = min(one.target_s, one.estimate_s)
    if one.is_undecided(budget_s):
        # What nobody can tell says little about how far to go.
        return start * min(budget_s / one.measured.median, UNDECIDED_STEP)
    return start * min(budget_s / one.measured.high, 1.0) * (1 - SAFETY / 2)


def _raised(finalists: Sequence[Finalist], inside: Sequence[Finalist], within: Range) -> Aim | None:
    """Return an aim above the finalists that are inside, and below those that are not; None where that is no news."""
    best = max(inside, key=lambda one: one.measured.high)
    if best.measured.high >= USED * within.budget_s:
        return None
    reached = max(one.target_s for one in inside)
    over = [min(one.target_s, one.estimate_s) for one in finalists if one not in inside]
    ceiling = min([*over, within.most_s])
    wanted = best.estimate_s * within.budget_s / best.measured.high * (1 - SAFETY / 2)
    repeats = sum(one.candidate == finalists[-1].candidate for one in finalists[:-1])
    if repeats > 1:
        # Higher aims led to the same network again: the next one on offer is over the budget, or no better.
        return None
    if repeats:
        # It is faster than the search had to be. What it says of the table may not hold of larger ones.
        wanted = reached * within.budget_s / best.measured.high
    wanted = max(wanted, reached * LEAST_RAISE)
    if over and wanted >= ceiling:
        wanted = math.sqrt(reached * ceiling)
    if min(wanted, ceiling) < reached * LEAST_RAISE:
        return None
    return Aim(min(wanted, ceiling))
