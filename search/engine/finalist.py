"""The best candidate of one round of a search, and what the clock says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwprofiles import Interval

from ..graph import Candidate
from ..solve import Solution
from ..study import StudyResult

ENOUGH = 0.01
"""Half-width of a finalist's interval, as a fraction of its time, from which a miss counts as one."""


@dataclass(frozen=True, slots=True)
class Finalist:
    """The best candidate of one round, and what the clock says of it.

    Attributes:
        round: Number of the search, from 0.
        candidate: The network.
        target_s: Predicted seconds that the search had to stay within.
        predicted: Estimate, with interval, as JSON holds it.
        measured: Its seconds at the reference speed.
        study: All trials of the round.
        exact: The additive surrogate's optimum at this target.
        fastest: Whether the search had to stay within the least reachable latency, so that nothing faster is left.
        refuted: Whether a longer timing, of its tuned and exported file, said that it is over the budget.
    """

    round: int
    candidate: Candidate
    target_s: float
    predicted: Mapping[str, Any]
    measured: Interval
    study: StudyResult
    exact: Solution
    fastest: bool = False
    refuted: bool = False

    @property
    def estimate_s(self) -> float:
        """Its predicted seconds."""
        return float(self.predicted["estimate"])

    @property
    def objective(self) -> float:
        """What the round's search found it to lose; lower is better."""
        best = self.study.best
        return math.inf if best is None or best.objective is None else best.objective

    def is_inside(self, budget_s: float) -> bool:
        """Tell whether the upper end of the measured interval is within the budget, as far as is known."""
        return self.measured.high <= budget_s and not self.refuted

    def is_undecided(self, budget_s: float) -> bool:
        """Tell whether the timing leaves open, by its own width, whether it is inside the budget."""
        low, high = self.measured.low, self.measured.high
        wide = high - low > 2 * ENOUGH * self.measured.median
        return not self.refuted and low <= budget_s < high and wide

    def is_worth_proving(self, budget_s: float) -> bool:
        """Tell whether to go on with it: the fastest network there is has the benefit of the doubt."""
        return self.is_inside(budget_s) or (self.fastest and not self.refuted and self.measured.low <= budget_s)
