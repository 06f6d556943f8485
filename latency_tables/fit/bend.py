"""Bend the sum of a network's cells to its measured time: large networks leave less of the cache to each layer.

Timings of 50 x different length differ by more than a factor between the sum of their cells and their time: a layer
is slower in a large network than in a small one. The bend is a monotone curve of the sum alone, so cells stay additive
for exact solvers: a budget on the time is a budget on the sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .law import Array

# Ridge towards a straight line of slope one, against one network's squared logarithmic error each.
_SLOPE_RIDGE = 1e-2
_CURVE_RIDGE = 1e-1

# Slope of the curve, on logarithms, below which no data may bend it: it must stay monotone with room to spare.
_LEAST_SLOPE = 0.5

# Likewise the largest: a steeper curve than this is no cache, and beyond the data it would run to zero.
_MOST_SLOPE = 2.0


@dataclass(frozen=True, slots=True)
class Bend:
    """A monotone curve, `log seconds = log sum + offset + (slope - 1) v + curve v^2` with `v = log sum - centre`.

    Beyond the sums that it was fitted to it goes on straight (on logarithms).

    Attributes:
        centre: Mean logarithm of the sums.
        offset: At the centre.
        slope: At the centre.
        curve: Half of the change of the slope.
        low: Least `v` that it was fitted to.
        high: Largest.
    """

    centre: float = 0.0
    offset: float = 0.0
    slope: float = 1.0
    curve: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        flattest = min(self.slope + 2 * self.curve * end for end in (self.low, self.high))
        if not self.low <= self.high or flattest <= 0:
            raise ValueError(f"A bend must rise from `low` to `high`, but got {self}.")

    @classmethod
    def fit(cls, sums: Array, seconds: Array, weights: Array | None = None) -> Bend:
        """Fit to networks by least squares on logarithms, with a ridge towards the straight line.

        Args:
            sums: Summed cells, shape (n,), above zero; n at least 1.
            seconds: Measured, shape (n,), above zero.
            weights: Of each network, shape (n,), above zero and at most 1; 1 by default.
        """
        centre = float(np.mean(np.log(sums)))
        v, wanted = np.log(sums) - centre, np.log(seconds) - np.log(sums)
        features = np.stack([np.ones_like(v), v, v * v], axis=1)
        weighted = features if weights is None else features * weights[:, None]
        ridge = np.diag([0.0, _SLOPE_RIDGE, _CURVE_RIDGE])
        offset, extra, curve = np.linalg.solve(weighted.T @ features + ridge, weighted.T @ wanted)
        slope = float(np.clip(1.0 + extra, _LEAST_SLOPE, _MOST_SLOPE))
        low, high = float(v.min()), float(v.max())
        # The curve gives way where it would make an end too flat or too steep.
        for end in (low, high):
            room = slope - _LEAST_SLOPE if curve * end < 0 else _MOST_SLOPE - slope
            if end:
                curve = np.sign(curve) * min(abs(curve), room / (2 * abs(end)))
        return cls(centre, float(offset), slope, float(curve), low, high)

    @property
    def is_straight(self) -> bool:
        """Whether seconds are the sums themselves."""
        return self.offset == 0 and self.slope == 1 and self.curve == 0

    def seconds(self, sums: ArrayLike) -> Array:
        """Return seconds of shape (...) for summed cells of shape (...); zero for zero."""
        if self.is_straight:
            return np.asarray(sums, dtype=np.float64)
        with np.errstate(divide="ignore"):
            v = np.log(np.asarray(sums, dtype=np.float64)) - self.centre
        inside = np.clip(v, self.low, self.high)
        bent = self.offset + self.slope * inside + self.curve * inside**2
        return np.asarray(np.exp(self.centre + bent + (self.slope + 2 * self.curve * inside) * (v - inside)))

    def steepness(self, sums: ArrayLike) -> Array:
        """Return the change of the logarithm of seconds with that of summed cells, of the same shape."""
        with np.errstate(divide="ignore"):
            v = np.log(np.asarray(sums, dtype=np.float64)) - self.centre
        return np.asarray(self.slope + 2 * self.curve * np.clip(v, self.low, self.high))

    def sums(self, seconds: ArrayLike) -> Array:
        """Return what `seconds` turns into these seconds, of the same shape; zero for zero."""
        if self.is_straight:
            return np.asarray(seconds, dtype=np.float64)
        with np.errstate(divide="ignore"):
            y = np.log(np.asarray(seconds, dtype=np.float64)) - self.centre - self.offset
        least, most = (self.slope * end + self.curve * end**2 for end in (self.low, self.high))
        inside = np.clip(y, least, most)
        # The stable form of the root of curve v^2 + slope v - y; also right for a curve of zero.
        v = 2 * inside / (self.slope + np.sqrt(np.maximum(self.slope**2 + 4 * self.curve * inside, 0.0)))
        return np.asarray(np.exp(self.centre + v + (y - inside) / (self.slope + 2 * self.curve * v)))
