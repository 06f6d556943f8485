"""Correct the sum of cells to whole networks: a fixed cost and one factor a class of units, close to 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls  # type: ignore[import-untyped, unused-ignore]

from .law import Array

RIDGE = 0.1
"""Weight of "(fixed, factors) = (0, 1)" against one network's relative error.

The shares carry the scale already, so factors stray from 1 by about a tenth where networks repeat within about three
hundredths: the square of that proportion.
"""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Hold `seconds = fixed_s + sum over classes of factor x cells`.

    Attributes:
        fixed_s: Seconds that every network takes, at least zero.
        factors: Class of units -> factor, at least zero; 1 for a class that is absent.
    """

    fixed_s: float = 0.0
    factors: Mapping[str, float] = field(default_factory=dict)

    def factor(self, kind: str) -> float:
        """Return the factor of a class of units."""
        return self.factors.get(kind, 1.0)

    @classmethod
    def fit(cls, kinds: Sequence[str], sums: Array, seconds: Array) -> Calibration:
        """Fit to whole networks by non-negative ridge regression towards (0, 1).

        Args:
            kinds: Classes of units.
            sums: Seconds of the cells of each network and class, shape (n, len(kinds)).
            seconds: Measured seconds of each network, shape (n,), above zero.
        """
        if not len(seconds):
            return cls()
        typical = float(np.median(seconds))
        relative = np.column_stack([typical / seconds, sums / seconds[:, None]])
        prior = np.sqrt(RIDGE) * np.eye(len(kinds) + 1)
        wanted = np.sqrt(RIDGE) * np.concatenate([[0.0], np.ones(len(kinds))])
        solution, _ = nnls(np.vstack([relative, prior]), np.concatenate([np.ones(len(seconds)), wanted]))
        factors = {kind: float(factor) for kind, factor in zip(kinds, solution[1:], strict=True)}
        return cls(float(solution[0]) * typical, factors)
