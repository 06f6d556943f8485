"""What whole networks say about cells that the profile has wrong: a Gaussian process over all cells at once.

The profile shares a network's time among its pieces, with errors that no averaging removes: profiling slows some nodes
more than others. Un-profiled timings of whole networks are exact sums of cells. So the logarithm of each cell's
correction has a Gaussian prior, whose covariance says which cells err alike, and the networks' logarithmic errors,
linear in the corrections for small ones, give the posterior in closed form (Rasmussen and Williams, Gaussian Processes
for Machine Learning, 2006, equations 2.25 and 2.26, with linear observations; hyperparameters by equation 5.9).

`alike` says which cells err alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve  # type: ignore[import-untyped, unused-ignore]
from scipy.optimize import minimize  # type: ignore[import-untyped, unused-ignore]

from ..keys import PieceKey
from .alike import PARTS, Cells
from .law import Array

SCALES = (*PARTS, "offset", "noise")
"""Names of the scales, all standard deviations of logarithms; "sampling" is that of a cell of one sample, "offset" one
that all networks share, "noise" that of one network's timing, beyond what the timing itself says."""

_USUAL = np.log(np.array([0.05, 0.05, 0.05, 0.03, 0.03, 0.02, 0.05, 0.02, 0.015]))
_LEAST, _MOST = np.log(1e-3), np.log(0.5)

# Scales closer than this to the best ones predict the same.
_TOLERANCES = {"ftol": 1e-6, "gtol": 1e-3}

# Standard deviations from what the others say above which a network's timing counts as disturbed.
_OUTLYING = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """Posterior of the logarithmic corrections of cells; made by `Correction.fit`.

    Attributes:
        cells: Cells of the networks that it was fitted to.
        samples: Profiled samples of each of them.
        scales: Logarithms of `SCALES`, shape (9,).
        design: Shares of the networks' sums in each cell, shape (networks, cells).
        factor: Cholesky factor of the covariance of the networks' errors.
        weights: Of each cell in the posterior mean, shape (cells,).
        common: Posterior mean of the offset that all networks share.
        lean: Posterior mean of what they lean by, in its standard deviations.
    """

    cells: Cells
    samples: Mapping[PieceKey, int]
    scales: Array
    design: Array
    factor: tuple[Array, bool]
    weights: Array
    common: float
    lean: float = 0.0

    @classmethod
    def fit(
        cls,
        keys: Sequence[PieceKey],
        samples: Mapping[PieceKey, int],
        design: Array,
        errors: Array,
        deviations: Array | None = None,
        leaning: Array | None = None,
    ) -> Correction:
        """Fit scales and posterior.

        Args:
            keys: Distinct cells.
            samples: How often the profile has seen each; absent for none.
            design: Share of each network's sum in each cell, shape (networks, cells); rows sum to 1.
            errors: Logarithm of measured over predicted sum of each network, shape (networks,).
            deviations: Standard deviation of each error as its timing says it, shape (networks,); 0 by default.
            leaning: Part of each error that is no cell's, for each standard deviation of what all networks lean by,
                shape (networks,); 0 by default. Equation 2.40 of the same book, with one basis function.
        """
        cells = Cells.of(keys, samples)
        parts = [design @ product for product in cells.times(cells, design.T)]
        parts += [np.ones((len(errors),) * 2), np.eye(len(errors))]
        timing = np.zeros_like(parts[0]) if deviations is None else np.diag(deviations**2)
        if leaning is not None:
            timing = timing + np.outer(leaning, leaning)
        scales = _fit_scales(parts, timing, errors)
        covariance = _sum(parts, scales) + timing
        factor = cho_factor(covariance, lower=True)
        # One network that others contradict, as a burst of other work leaves it, must not pull its cells along.
        inverse = cho_solve(factor, np.eye(len(errors)))
        alone = (inverse @ errors) / np.diag(inverse)
        odd = np.abs(alone) > _OUTLYING / np.sqrt(np.diag(inverse))
        if odd.any():
            factor = cho_factor(covariance + np.diag(np.where(odd, alone**2, 0.0)), lower=True)
        pulls = cho_solve(factor, errors)
        common = float(np.exp(2 * scales[-2]) * pulls.sum())
        lean = 0.0 if leaning is None else float(leaning @ pulls)
        return cls(cells, dict(samples), scales, design, factor, design.T @ pulls, common, lean)

    @property
    def noise(self) -> float:
        """Standard deviation of the logarithm of a network's time that neither cells nor its timing's own explain."""
        return float(np.exp(self.scales[-1]))

    def mean(self, keys: Sequence[PieceKey]) -> Array:
        """Return the logarithmic correction of each cell, shape (len(keys),), the common offset included."""
        places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        own = Cells.of(list(places), self.samples)
        means = _sum(own.times(self.cells, self.weights[:, None]), self.scales)[:, 0] + self.common
        return np.asarray(means[[places[key] for key in keys]])

    def spread(self, keys: Sequence[PieceKey], shares: Array) -> Array:
        """Return the standard deviations of the logarithms of networks' sums, without the noise of a timing.

        Args:
            keys: Distinct cells.
            shares: Share of each network's sum in each of them, shape (n, len(keys)).

        Returns:
            Shape (n,).
        """
        own = Cells.of(keys, self.samples)
        offset = np.exp(2 * self.scales[-2])
        prior = np.sum(shares.T * _sum(own.times(own, shares.T), self.scales), axis=0) + offset
        seen = self.design @ _sum(self.cells.times(own, shares.T), self.scales) + offset
        explained = np.sum(seen * cho_solve(self.factor, seen), axis=0)
        return np.asarray(np.sqrt(np.maximum(prior - explained, 0.0)))


def _sum(parts: Sequence[Array], scales: Array) -> Array:
    total = np.zeros_like(parts[0])
    for part, scale in zip(parts, scales, strict=False):
        total += np.exp(2 * scale) * part
    return total


def _fit_scales(parts: Sequence[Array], timing: Array, errors: Array) -> Array:
    """Return the scales of greatest posterior density, each with a broad log-normal prior about its usual value."""
    flat = np.stack([part.ravel() for part in parts])

    def cost(scales: Array) -> tuple[float, Array]:
        variances = np.exp(2 * scales)
        covariance = (variances @ flat).reshape(timing.shape) + timing
        factor = cho_factor(covariance, lower=True, check_finite=False)
        pulls = cho_solve(factor, errors, check_finite=False)
        inverse = cho_solve(factor, np.eye(len(errors)), check_finite=False)
        value = 0.5 * errors @ pulls + np.log(np.diag(factor[0])).sum() + 0.5 * np.sum((scales - _USUAL) ** 2)
        slope = variances * (flat @ (inverse - np.outer(pulls, pulls)).ravel()) + (scales - _USUAL)
        return float(value), slope

    found = minimize(
        cost, _USUAL, jac=True, method="L-BFGS-B", bounds=[(_LEAST, _MOST)] * len(_USUAL), options=_TOLERANCES
    )
    return np.asarray(found.x, dtype=np.float64)
