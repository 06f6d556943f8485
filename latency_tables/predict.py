"""Predict the seconds of any network from a table: a fixed cost plus the calibrated cells of its units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cells import ORIGINS, CellOrigin
from .compiled import Compiled, Grid, Slot, merge_grids
from .keys import UnitKey
from .law import Array
from .model import Model, fit_model
from .table import LatencyTable
from .validate import HeldOut, cross_validate

FOLDS = 10


@dataclass(frozen=True, slots=True)
class Estimate:
    """Say how long a network will probably take.

    Attributes:
        seconds: At the table's reference speed.
        low: Lower end of the interval that held 90 % of the held-out networks.
        high: Its upper end.
        origin: The worst of the network's units: "measured", "interpolated" between measured widths, or
            "extrapolated" beyond them.
    """

    seconds: float
    low: float
    high: float
    origin: CellOrigin

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.seconds <= self.high:
            raise ValueError(f"`0 <= low <= seconds <= high` must hold, but got {self}.")
        if self.origin not in ORIGINS:
            raise ValueError(f"An origin is one of {ORIGINS}, but got {self.origin!r}.")


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """Predict networks; made by `Predictor.fit`.

    A network's seconds are `fixed_s` plus the sum of its units' cells, so a search may add cells itself.

    The cell of a key is the mean over all timed units of that key of share x ratio x reference seconds: shares come
    from the runtime's profile in context, the scale from un-profiled runs of the whole network against the baseline.
    Time of nodes that belong to no unit (reorders between layouts) is spread proportionally over the units, so that
    a network's cells sum to its own time. Between and beyond measured widths a staircase law takes over, corrected
    by the measured neighbours (`cells.FamilyCells`). Sums are then calibrated to whole networks
    (`calibrate.Calibration`).

    Attributes:
        model: Cells and calibration, fitted on all networks but those of origin "holdout".
        held_out: How well networks are predicted that were left out of both.
    """

    model: Model
    held_out: HeldOut

    @classmethod
    def fit(
        cls, table: LatencyTable, *, quantum: int, folds: int = FOLDS, rng: np.random.Generator | None = None
    ) -> Predictor:
        """Fit cells, calibration and held-out error.

        Args:
            table: The table.
            quantum: Channels in one block of the runtime, as `Runtime.width_quantum` says.
            folds: Of the cross-validation.
            rng: Divides the networks into folds; by default of seed 0.

        Raises:
            SparseTableError: The table has too few networks; see `cross_validate`.
        """
        held_out = cross_validate(table, quantum=quantum, folds=folds, rng=rng or np.random.default_rng(0))
        return cls(fit_model([row for row in table.rows if row.origin != "holdout"], quantum), held_out)

    @property
    def fixed_s(self) -> float:
        """Seconds that every network takes beside its units."""
        return self.model.calibration.fixed_s

    @property
    def margin(self) -> float:
        """Fraction by which to stay below a budget; see `HeldOut.margin`."""
        return self.held_out.margin

    def estimate(self, units: Sequence[UnitKey]) -> Estimate:
        """Predict one network.

        Args:
            units: Keys of all its units, in any order.

        Raises:
            UnknownUnitError: Units are of families that were never measured; it names all of them.
        """
        seconds, code = self.model.network(units)
        low, high = self.held_out.interval
        return Estimate(seconds, seconds * low, seconds * high, ORIGINS[code])

    def predict_units(self, networks: Sequence[Sequence[UnitKey]]) -> Array:
        """Return seconds of shape (len(networks),); arguments and errors as of `estimate`."""
        cells = self.model.cells(key for units in networks for key in units)
        return np.array([self.fixed_s + sum(sorted(cells[key][0] for key in units)) for units in networks])

    def cell(self, key: UnitKey) -> tuple[float, CellOrigin]:
        """Return the seconds that one unit adds to a network, and where they come from.

        Raises:
            UnknownUnitError: Its family was never measured.
        """
        seconds, code = self.model.cells([key])[key]
        return seconds, ORIGINS[code]

    def cells(self, family: str) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, NDArray[np.str_]]:
        """Return a family's cells on the grid of the widths that were seen.

        Returns:
            Widths in of shape (n_in,), widths out of shape (n_out,), seconds and origins of shape (n_in, n_out).

        Raises:
            UnknownUnitError: The family was never measured.
        """
        if family not in self.model.families:
            self.model.cells([UnitKey(family, (1, 1))])
        cells = self.model.families[family]
        width_in, width_out = np.meshgrid(cells.widths_in, cells.widths_out, indexing="ij")
        factor = self.model.calibration.factor(family.split(" ", 1)[0])
        origins = np.asarray(ORIGINS)[cells.origins(width_in, width_out)]
        seconds = factor * cells.seconds(width_in, width_out)
        return cells.widths_in.astype(np.int64), cells.widths_out.astype(np.int64), seconds, origins

    def compile(self, slots: Sequence[Slot]) -> Compiled:
        """Look up every cell that a space can reach, for predictions of many candidates at once.

        Raises:
            UnknownUnitError: See `estimate`.
            ValueError: A knob has different numbers of levels in two slots.
        """
        cells = self.model.cells(key for slot in slots for key in slot.keys if key is not None)
        found = [[(0.0, 0) if key is None else cells[key] for key in slot.keys] for slot in slots]
        grids = []
        for slot, values in zip(slots, found, strict=True):
            seconds, codes = zip(*values, strict=True)
            shaped = np.array(seconds).reshape(slot.sizes), np.array(codes, dtype=np.int8).reshape(slot.sizes)
            grids.append(Grid(slot.knobs, *shaped))
        constant = [grid for grid in grids if not grid.knobs]
        fixed_s = self.fixed_s + sum(float(grid.seconds) for grid in constant)
        fixed_code = max((int(grid.codes) for grid in constant), default=0)
        varying = merge_grids([grid for grid in grids if grid.knobs])
        return Compiled(tuple(varying), fixed_s, fixed_code, self.held_out.interval)
