"""What whole networks say about cells that the profile has wrong: a Gaussian process over all cells at once.

The profile shares a network's time among its units, with errors that no averaging removes: profiling slows some nodes
more than others. Un-profiled timings of whole networks are exact sums of cells. So the logarithm of each cell's
correction has a Gaussian prior, whose covariance says which cells err alike, and the networks' logarithmic errors,
linear in the corrections for small ones, give the posterior in closed form (Rasmussen and Williams, Gaussian Processes
for Machine Learning, 2006, equations 2.25 and 2.26, with linear observations; hyperparameters by equation 5.9).

Two cells err alike, with a scale for each, where they have the same operation; the same family; the same family and
near widths; the same operation, width out and near widths in; likewise with in and out exchanged; or are one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve  # type: ignore[import-untyped, unused-ignore]
from scipy.optimize import minimize  # type: ignore[import-untyped, unused-ignore]

from .keys import UnitKey
from .law import Array

SCALES = ("operation", "family", "near", "same_out", "same_in", "cell", "sampling", "offset", "noise")
"""Names of the scales, all standard deviations of logarithms; "sampling" is that of a cell of one sample, "offset" one
that all networks share, "noise" that of one network's timing."""

_USUAL = np.log(np.array([0.05, 0.05, 0.05, 0.03, 0.03, 0.02, 0.05, 0.02, 0.015]))
_LEAST, _MOST = np.log(1e-3), np.log(0.5)

# Distance in octaves at which two widths' corrections are still alike.
_NEAR_OCTAVES = 1.0

# Standard deviations from what the others say above which a network's timing counts as disturbed.
_OUTLYING = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class _Features:
    """Cells as arrays: codes of operation and family, widths in octaves of shape (n, 2), samples of each."""

    operation: NDArray[np.intp]
    family: NDArray[np.intp]
    octaves: Array
    samples: Array


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """Posterior of the logarithmic corrections of cells; made by `Correction.fit`.

    Attributes:
        codes: Operation or family -> code.
        cells: Cells of the networks that it was fitted to.
        samples: Profiled samples of each of them.
        scales: Logarithms of `SCALES`, shape (9,).
        design: Shares of the networks' time in each cell, shape (networks, cells).
        factor: Cholesky factor of the covariance of the networks' errors.
        weights: Of each cell in the posterior mean, shape (cells,).
        common: Posterior mean of the offset that all networks share.
    """

    codes: Mapping[str, int]
    cells: _Features
    samples: Mapping[UnitKey, int]
    scales: Array
    design: Array
    factor: tuple[Array, bool]
    weights: Array
    common: float

    @classmethod
    def fit(cls, keys: Sequence[UnitKey], samples: Mapping[UnitKey, int], design: Array, errors: Array) -> Correction:
        """Fit scales and posterior.

        Args:
            keys: Distinct cells.
            samples: How often the profile has seen each; absent for none.
            design: Share of each network's predicted time in each cell, shape (networks, cells); rows sum to 1.
            errors: Logarithm of measured over predicted of each network, shape (networks,).
        """
        codes = _codes(keys)
        cells = _features(keys, samples, codes)
        parts = [design @ part @ design.T for part in _parts(cells, cells, same=True)]
        parts += [np.ones((len(errors),) * 2), np.eye(len(errors))]
        scales = _fit_scales(parts, errors)
        covariance = _sum(parts, scales)
        factor = cho_factor(covariance, lower=True)
        # One network that others contradict, as a burst of other work leaves it, must not pull its cells along.
        inverse = cho_solve(factor, np.eye(len(errors)))
        alone = (inverse @ errors) / np.diag(inverse)
        odd = np.abs(alone) > _OUTLYING / np.sqrt(np.diag(inverse))
        if odd.any():
            factor = cho_factor(covariance + np.diag(np.where(odd, alone**2, 0.0)), lower=True)
        pulls = cho_solve(factor, errors)
        common = float(np.exp(2 * scales[-2]) * pulls.sum())
        return cls(codes, cells, dict(samples), scales, design, factor, design.T @ pulls, common)

    @property
    def noise(self) -> float:
        """Standard deviation of the logarithm of one network's timing that no cell explains."""
        return float(np.exp(self.scales[-1]))

    def mean(self, keys: Sequence[UnitKey]) -> Array:
        """Return the logarithmic correction of each cell, shape (len(keys),), the common offset included."""
        covariance = self._covariance(keys)
        return np.asarray(covariance @ self.weights + self.common)

    def spread(self, keys: Sequence[UnitKey], shares: Array) -> float:
        """Return the standard deviation of the logarithm of a network's time, the noise of a timing left out.

        Args:
            keys: Its distinct cells.
            shares: Share of its time in each, shape (len(keys),).
        """
        own = _features(keys, self.samples, self.codes)
        offset = np.exp(2 * self.scales[-2])
        prior = shares @ _sum(_parts(own, own, same=True), self.scales) @ shares + offset
        seen = shares @ self._covariance(keys) @ self.design.T + offset
        return float(np.sqrt(max(prior - seen @ cho_solve(self.factor, seen), 0.0)))

    def _covariance(self, keys: Sequence[UnitKey]) -> Array:
        return _sum(_parts(_features(keys, self.samples, self.codes), self.cells, same=False), self.scales)


def _codes(keys: Sequence[UnitKey]) -> dict[str, int]:
    # An operation's name may be a family's, too: one of them is marked.
    names = sorted({f"={key.operation}" for key in keys} | {key.family for key in keys})
    return {name: code for code, name in enumerate(names)}


def _features(keys: Sequence[UnitKey], samples: Mapping[UnitKey, int], codes: Mapping[str, int]) -> _Features:
    # What was never seen differs from all that was, and from what else was not.
    unseen = {
        name: -1 - i for i, name in enumerate({n for k in keys for n in (f"={k.operation}", k.family)} - set(codes))
    }
    known = {**unseen, **codes}
    return _Features(
        np.array([known[f"={key.operation}"] for key in keys], dtype=np.intp),
        np.array([known[key.family] for key in keys], dtype=np.intp),
        np.log2(np.array([key.widths for key in keys], dtype=np.float64).reshape(-1, 2)),
        np.array([samples.get(key, 0) for key in keys], dtype=np.float64),
    )


def _parts(a: _Features, b: _Features, *, same: bool) -> list[Array]:
    """Return the correlations of the cells of `a` with those of `b`, one matrix a scale of cells.

    Args:
        a: Cells, n of them.
        b: Cells, m of them.
        same: Whether both are the same cells; else two cells are one where family and widths agree.
    """
    operation = a.operation[:, None] == b.operation
    family = a.family[:, None] == b.family
    gaps = [np.abs(a.octaves[:, None, side] - b.octaves[:, side]) for side in (0, 1)]
    near_in, near_out = (np.exp(-0.5 * (gap / _NEAR_OCTAVES) ** 2) for gap in gaps)
    equal_in, equal_out = (gap == 0 for gap in gaps)
    one = np.eye(len(a.family), dtype=np.bool_) if same else family & equal_in & equal_out
    # What was never profiled has no error of sampling, but those of its neighbours and of its own.
    per_sample = np.divide(1.0, b.samples, out=np.zeros_like(b.samples), where=b.samples > 0)
    return [
        operation.astype(np.float64),
        family.astype(np.float64),
        family * near_in * near_out,
        (operation & equal_out) * near_in,
        (operation & equal_in) * near_out,
        one.astype(np.float64),
        one * per_sample,
    ]


def _sum(parts: Sequence[Array], scales: Array) -> Array:
    total = np.zeros_like(parts[0])
    for part, scale in zip(parts, scales, strict=False):
        total += np.exp(2 * scale) * part
    return total


def _fit_scales(parts: Sequence[Array], errors: Array) -> Array:
    """Return the scales of greatest posterior density, each with a broad log-normal prior about its usual value."""
    flat = np.stack([part.ravel() for part in parts])

    def cost(scales: Array) -> tuple[float, Array]:
        variances = np.exp(2 * scales)
        covariance = (variances @ flat).reshape(len(errors), len(errors))
        factor = cho_factor(covariance, lower=True, check_finite=False)
        pulls = cho_solve(factor, errors, check_finite=False)
        inverse = cho_solve(factor, np.eye(len(errors)), check_finite=False)
        value = 0.5 * errors @ pulls + np.log(np.diag(factor[0])).sum() + 0.5 * np.sum((scales - _USUAL) ** 2)
        slope = variances * (flat @ (inverse - np.outer(pulls, pulls)).ravel()) + (scales - _USUAL)
        return float(value), slope

    found = minimize(cost, _USUAL, jac=True, method="L-BFGS-B", bounds=[(_LEAST, _MOST)] * len(_USUAL))
    return np.asarray(found.x, dtype=np.float64)
