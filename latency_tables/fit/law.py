"""A law of few parameters for the time of one family of pieces: a staircase in both widths.

Vector units work on channels in blocks of a quantum q (16 with AVX-512), so time climbs in steps:
`t(i, o) = c0 + c1 ceil(i/q) + c2 ceil(o/q) + c3 ceil(i/q) ceil(o/q) + c4 (i/q)(o/q)`, all coefficients at least zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls  # type: ignore[import-untyped, unused-ignore]

Array = NDArray[np.float64]

N_FEATURES = 5

PRIOR_WEIGHT = 1e-3
"""Weight of the prior against one relative observation: it decides only what the observations leave open."""

LEAST_WEIGHED = 1e-4


def stairs(width_in: ArrayLike, width_out: ArrayLike, quantum: int) -> Array:
    """Return the law's features, of shape (..., 5), for widths of shape (...)."""
    i, o = np.broadcast_arrays(np.asarray(width_in) / quantum, np.asarray(width_out) / quantum)
    blocks_in, blocks_out = np.ceil(i), np.ceil(o)
    return np.stack([np.ones_like(i), blocks_in, blocks_out, blocks_in * blocks_out, i * o], axis=-1)


def fit_nonnegative(
    features: Array, seconds: Array, prior: Array, weight: float = PRIOR_WEIGHT, trust: Array | None = None
) -> Array:
    """Return non-negative coefficients that fit best in relative terms.

    Minimises `|trust (features x - seconds) / seconds|^2 + weight^2 |(x - prior) / scale|^2`, where `scale` makes one
    piece of each coefficient equally large. Times below a ten-thousandth of the largest weigh as if they were that:
    nobody can tell them from zero.

    Args:
        features: Shape (n, m).
        seconds: Shape (n,), at least zero.
        prior: Shape (m,), what to return where the observations leave a coefficient open.
        weight: Of the prior against one observation.
        trust: In each observation, shape (n,), from 0 to 1; 1 by default.
    """
    largest = float(np.max(seconds))
    if largest <= 0:
        return np.zeros(features.shape[1])
    weights = (1.0 if trust is None else trust) / np.maximum(seconds, LEAST_WEIGHED * largest)
    weighted = features * weights[:, None]
    scale = 1.0 / np.maximum(np.sqrt(np.mean(weighted**2, axis=0)), np.finfo(np.float64).tiny)
    left = np.vstack([weighted * scale, weight * np.eye(len(scale))])
    right = np.concatenate([seconds * weights, weight * prior / scale])
    solution, _ = nnls(left, right, maxiter=100 * len(scale))
    return np.asarray(solution * scale, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class StairLaw:
    """Predict a piece's seconds from its widths.

    Attributes:
        quantum: Units in one step of the runtime.
        coefficients: Five non-negative numbers, in seconds.
    """

    quantum: int
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.quantum < 1:
            raise ValueError(f"A quantum is at least 1 channel, but got {self.quantum}.")
        if len(self.coefficients) != N_FEATURES or min(self.coefficients) < 0:
            raise ValueError(f"A stair law has {N_FEATURES} non-negative coefficients, but got {self.coefficients}.")

    def seconds(self, width_in: ArrayLike, width_out: ArrayLike) -> Array:
        """Return seconds of shape (...) for widths of shape (...)."""
        return np.asarray(stairs(width_in, width_out, self.quantum) @ np.asarray(self.coefficients))

    @classmethod
    def fit(cls, width_in: Array, width_out: Array, seconds: Array, quantum: int) -> StairLaw:
        """Fit the law to measured cells, all arguments of shape (n,).

        What few cells leave open follows the product of blocks, as the arithmetic of a dense layer does.
        """
        features = stairs(width_in, width_out, quantum)
        prior = np.zeros(N_FEATURES)
        prior[3] = float(np.sum(seconds) / np.sum(features[:, 3]))
        return cls(quantum, tuple(float(c) for c in fit_nonnegative(features, seconds, prior)))
