"""The cells of one family: measured seconds on a grid of widths, and a law with interpolated corrections between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .law import Array, StairLaw

CellOrigin = str
ORIGINS: tuple[CellOrigin, ...] = ("measured", "interpolated", "extrapolated")
"""Where an estimate comes from, the best first; codes in arrays are positions in this tuple."""

Codes = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class FamilyCells:
    """Seconds of a family's pieces over (width in, width out).

    A cell's seconds are the law's times a correction. On the grid of seen widths the correction of a measured cell is
    what the measurement says; that of another grid point is the mean of the measured ones, weighted by the inverse
    square of their distance in octaves; between grid points it is bilinear, outside it is that of the nearest edge.
    So the law makes the steps, and the measured neighbours correct it.

    Attributes:
        law: Seconds before correction.
        widths_in: Seen widths, ascending, shape (n_in,).
        widths_out: Seen widths, ascending, shape (n_out,).
        correction: Shape (n_in, n_out).
        measured: Which grid points were measured, shape (n_in, n_out).
    """

    law: StairLaw
    widths_in: Array
    widths_out: Array
    correction: Array
    measured: NDArray[np.bool_]

    @classmethod
    def fit(cls, cells: Mapping[tuple[int, int], float], quantum: int) -> FamilyCells:
        """Fit the law and the corrections.

        Args:
            cells: (width in, width out) -> seconds; at least one.
            quantum: Units in one step of the runtime.
        """
        widths = np.array(list(cells), dtype=np.float64)
        seconds = np.array(list(cells.values()), dtype=np.float64)
        law = StairLaw.fit(widths[:, 0], widths[:, 1], seconds, quantum)
        fitted = law.seconds(widths[:, 0], widths[:, 1])
        ratios = np.divide(seconds, fitted, out=np.ones_like(seconds), where=fitted > 0)
        grid_in, rows = np.unique(widths[:, 0], return_inverse=True)
        grid_out, columns = np.unique(widths[:, 1], return_inverse=True)
        correction = _spread(widths, ratios, grid_in, grid_out)
        measured = np.zeros(correction.shape, dtype=np.bool_)
        correction[rows, columns] = ratios
        measured[rows, columns] = True
        return cls(law, grid_in, grid_out, correction, measured)

    @classmethod
    def of_law(cls, law: StairLaw, widths: Array) -> FamilyCells:
        """Return cells that follow a law alone, none of them measured.

        Args:
            law: Fitted elsewhere.
            widths: Seen (width in, width out), shape (n, 2).
        """
        grid_in, grid_out = np.unique(widths[:, 0]), np.unique(widths[:, 1])
        shape = (len(grid_in), len(grid_out))
        return cls(law, grid_in, grid_out, np.ones(shape), np.zeros(shape, dtype=np.bool_))

    def seconds(self, width_in: ArrayLike, width_out: ArrayLike) -> Array:
        """Return seconds of shape (...) for widths of shape (...); never negative."""
        low_i, high_i, part_i = _bracket(self.widths_in, width_in)
        low_o, high_o, part_o = _bracket(self.widths_out, width_out)
        near = (1 - part_o) * self.correction[low_i, low_o] + part_o * self.correction[low_i, high_o]
        far = (1 - part_o) * self.correction[high_i, low_o] + part_o * self.correction[high_i, high_o]
        return self.law.seconds(width_in, width_out) * ((1 - part_i) * near + part_i * far)

    def origins(self, width_in: ArrayLike, width_out: ArrayLike) -> Codes:
        """Return positions in `ORIGINS`, of shape (...), for widths of shape (...)."""
        low_i, _, part_i = _bracket(self.widths_in, width_in)
        low_o, _, part_o = _bracket(self.widths_out, width_out)
        outside = _is_outside(self.widths_in, width_in) | _is_outside(self.widths_out, width_out)
        on_grid = (part_i == 0) & (part_o == 0) & self.measured[low_i, low_o]
        return np.where(outside, 2, np.where(on_grid, 0, 1)).astype(np.int8)


def _spread(widths: Array, ratios: Array, grid_in: Array, grid_out: Array) -> Array:
    """Return the inverse-square weighted mean of the measured ratios at each grid point."""
    octaves_i = np.log2(grid_in)[:, None, None] - np.log2(widths[:, 0])
    octaves_o = np.log2(grid_out)[None, :, None] - np.log2(widths[:, 1])
    weights = 1.0 / (octaves_i**2 + octaves_o**2 + 1e-6)
    return np.asarray((weights @ ratios) / weights.sum(axis=-1), dtype=np.float64)


def _bracket(grid: Array, widths: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Return the grid positions around each width, and how far it is between them (0 outside and on the grid)."""
    inside = np.clip(np.asarray(widths, dtype=np.float64), grid[0], grid[-1])
    low = np.searchsorted(grid, inside, side="right") - 1
    high = np.minimum(low + 1, len(grid) - 1)
    gap = np.maximum(grid[high] - grid[low], 1.0)
    return low, high, np.asarray((inside - grid[low]) / gap, dtype=np.float64)


def _is_outside(grid: Array, widths: ArrayLike) -> NDArray[np.bool_]:
    wanted = np.asarray(widths)
    return np.asarray((wanted < grid[0]) | (wanted > grid[-1]))
