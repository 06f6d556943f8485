"""How ratios depend on the machine's pace: what slows the unpruned network down slows small ones down more.

A shared machine runs at several speeds, one for seconds or minutes. Timing in pairs takes from a ratio what all
networks have in common, but not the rest. With r_0 the ratio at the pace that a table was begun with, and s the
logarithm of how many times as long the unpruned network takes now,

`log r = (1 - g s) log r_0`.

Within networks that were timed a dozen times each while a host went from pace to pace, g was 0.10 to 0.25 with OpenVINO
(five rounds of forty networks, standard errors 0.02 to 0.03), 0.11 (0.01) with AOTInductor, and 0.00 (0.02) and 0.06
(0.05) with PyTorch. So each table finds its own g, from a prior that holds all of these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ..table import NetworkRow
from .law import Array

PRIOR, PRIOR_DEVIATION = 0.1, 0.05
"""Mean and standard deviation of g before a table says anything of it."""

MOST = 0.3
"""Largest g; the least is 0."""

MOST_SLOWDOWN = 1.5
"""Largest logarithm of a slowdown that ratios are brought back from: four and a half times as slow or as fast."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Bring ratios from one pace of the machine to another.

    Attributes:
        reference_s: Seconds of the unpruned network at the pace that a table was begun with.
        dependence: g, see above.
    """

    reference_s: float
    dependence: float = PRIOR

    @classmethod
    def of(cls, rows: Sequence[NetworkRow]) -> Pace:
        """Return the pace that rows were begun with, and g before they say anything of it."""
        return cls(next((row.seconds.median / row.ratio.median for row in rows if row.ratio.median > 0), 1.0))

    def moved(self, step: float) -> Pace:
        """Return the same with another g: this one and `step`, within 0 and `MOST`."""
        return replace(self, dependence=min(max(self.dependence + step, 0.0), MOST))

    def seconds(self, seconds: Array, slowdowns: ArrayLike) -> Array:
        """Return seconds of networks as they come out, at the reference speed, when ratios are taken at another pace.

        Args:
            seconds: With ratios of the pace that the table was begun with, shape (n,), at least zero.
            slowdowns: s, shape (n,) or ().
        """
        if not np.any(slowdowns):
            return seconds
        power = 1.0 - self.dependence * np.clip(slowdowns, -MOST_SLOWDOWN, MOST_SLOWDOWN)
        return np.asarray(self.reference_s * (seconds / self.reference_s) ** power)

    def at_reference(self, row: NetworkRow) -> NetworkRow:
        """Return the row with the ratio that it would have had at the pace that the table was begun with."""
        ratio = row.ratio.median
        if ratio <= 0:
            return row
        factor = ratio ** (1.0 / (1.0 - self.dependence * _limited(row)) - 1.0)
        return replace(row, ratio=row.ratio.times(factor), seconds=row.seconds.times(factor))


UNKNOWN_PACE = Pace(1.0)
"""Of a table of no rows."""


def leaning(rows: Sequence[NetworkRow]) -> Array:
    """Return by what the logarithm of each row's ratio is too high for each piece that g is too low, shape (n,)."""
    return np.array([-_limited(row) * math.log(row.ratio.median) if row.ratio.median > 0 else 0.0 for row in rows])


def _limited(row: NetworkRow) -> float:
    return min(max(row.slowdown, -MOST_SLOWDOWN), MOST_SLOWDOWN)
