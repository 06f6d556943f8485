"""Predict the seconds of any network from a table: the bent sum of its units' cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .compiled import Compiled, Grid, Slot, merge_grids
from .families import Family
from .fit import ORIGINS, Array, Bend, CellOrigin, HeldOut, Model, Pace, cross_validate, fit_model
from .keys import PieceKey
from .table import LatencyTable

FOLDS = 10

_NORMAL_95 = 1.96
"""Standard deviations on each side of the mean that hold 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Say how long a network will probably take.

    Attributes:
        seconds: At the table's reference speed.
        low: Lower end of the 95 % interval: what the model leaves open, as wide as held-out networks show.
        high: Its upper end.
        origin: The worst of the network's pieces: "measured", "interpolated" between measured widths, or
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

    A network's seconds are `bend` of the sum of its units' cells; `bend` is monotone, so a search may add cells itself
    and hold the sum against a budget that is bent back (`Bend.sums`).

    The profile's cell of a key is the mean over all timed pieces of that key of share x network's sum, where the sum is
    ratio x reference seconds, bent back:
    shares come from the runtime's profile in context, what profiling adds to each node taken off
    (`overhead.profiling_overhead`); the scale comes from un-profiled runs of the whole network against the baseline.
    Time of nodes that belong to no piece (reorders between layouts) is spread proportionally over the pieces. Between
    and beyond measured widths a staircase law takes over, corrected by the measured neighbours
    (`cells.FamilyCells`). What whole networks say about cells corrects them all (`correction.Correction`), the measured
    ones too.

    Attributes:
        model: Cells, bend and correction, fitted on all networks.
        held_out: How well networks are predicted that were left out of all three; those of origin "holdout" were in
            none of the models that this is about, and are in `model` only.
    """

    model: Model
    held_out: HeldOut

    @classmethod
    def fit(
        cls, table: LatencyTable, *, quantum: int, folds: int = FOLDS, rng: np.random.Generator | None = None
    ) -> Predictor:
        """Fit cells, bend, correction and held-out error.

        Args:
            table: The table.
            quantum: Units in one step of the runtime, as `Runtime.width_quantum` says.
            folds: Of the cross-validation.
            rng: Divides the networks into folds; by default of seed 0.

        Raises:
            SparseTableError: The table has too few networks; see `cross_validate`.
        """
        held_out = cross_validate(table, quantum=quantum, folds=folds, rng=rng or np.random.default_rng(0))
        return cls(fit_model(table.rows, quantum), held_out)

    @property
    def bend(self) -> Bend:
        """The curve from summed cells to seconds."""
        return self.model.bend

    @property
    def margin(self) -> float:
        """Fraction by which to stay below a budget; see `HeldOut.margin`."""
        return self.held_out.margin

    @property
    def pace(self) -> Pace:
        """How ratios depend on the machine's pace; see `pace`."""
        return self.model.pace

    def estimate(self, pieces: Sequence[PieceKey], slowdown: float = 0.0) -> Estimate:
        """Predict one network.

        Args:
            pieces: Keys of all its pieces, in any order.
            slowdown: Logarithm of how many times as long the unpruned network takes where the ratio is taken as it did
                for the reference. Seconds are at the reference speed nevertheless.

        Raises:
            UnknownPieceError: Pieces are of families that were never measured; it names all of them.
        """
        seconds, codes = self.model.networks([pieces], slowdown)
        half = _NORMAL_95 * self.held_out.stretch * self.model.deviations([pieces])
        low, middle, high = (float(end[0]) for end in (seconds * np.exp(-half), seconds, seconds * np.exp(half)))
        return Estimate(middle, low, high, ORIGINS[codes[0]])

    def predict_pieces(self, networks: Sequence[Sequence[PieceKey]]) -> Array:
        """Return seconds of shape (len(networks),); arguments and errors as of `estimate`."""
        return self.model.networks(networks)[0]

    def summands(self, keys: Sequence[PieceKey]) -> Array:
        """Return what each piece adds to the sum that `bend` turns into seconds, shape (len(keys),).

        Raises:
            UnknownPieceError: A family was never measured.
        """
        return self.model.cells(keys)[0]

    def cell(self, key: PieceKey) -> tuple[float, CellOrigin]:
        """Return what one piece adds to the sum, and where that comes from; see `summands`."""
        seconds, codes = self.model.cells([key])
        return float(seconds[0]), ORIGINS[codes[0]]

    def parts(self, pieces: Sequence[PieceKey]) -> Array:
        """Return the seconds of each piece inside this network, shape (len(pieces),): they sum to its estimate.

        Raises:
            UnknownPieceError: A family was never measured.
        """
        summands = self.summands(pieces)
        total = float(summands.sum())
        return summands * (float(self.bend.seconds(total)) / total) if total else summands

    def cells(self, family: Family) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, NDArray[np.str_]]:
        """Return a family's cells on the grid of the widths that were seen.

        Returns:
            Widths in of shape (n_in,), widths out of shape (n_out,), summands and origins of shape (n_in, n_out).

        Raises:
            UnknownPieceError: The family was never measured.
        """
        if family not in self.model.families:
            self.model.cells([PieceKey(family, (1, 1))])
        own = self.model.families[family]
        width_in, width_out = own.widths_in.astype(np.int64), own.widths_out.astype(np.int64)
        keys = [PieceKey(family, (int(i), int(o))) for i in width_in for o in width_out]
        seconds, codes = self.model.cells(keys)
        shape = (len(width_in), len(width_out))
        return width_in, width_out, seconds.reshape(shape), np.asarray(ORIGINS)[codes].reshape(shape)

    def compile(self, slots: Sequence[Slot]) -> Compiled:
        """Look up every cell that a space can reach, for predictions of many candidates at once.

        Raises:
            UnknownPieceError: See `estimate`.
            ValueError: A knob has different numbers of levels in two slots.
        """
        keys = sorted({key for slot in slots for key in slot.keys if key is not None})
        seconds, codes = self.model.cells(keys)
        cells = dict(zip(keys, zip(seconds.tolist(), codes.tolist(), strict=True), strict=True))
        found = [[(0.0, 0) if key is None else cells[key] for key in slot.keys] for slot in slots]
        grids = []
        for slot, values in zip(slots, found, strict=True):
            summands, origins = zip(*values, strict=True)
            shaped = np.array(summands).reshape(slot.sizes), np.array(origins, dtype=np.int8).reshape(slot.sizes)
            grids.append(Grid(slot.knobs, *shaped))
        constant = [grid for grid in grids if not grid.knobs]
        fixed = float(sum(grid.seconds for grid in constant))
        fixed_code = max((int(grid.codes) for grid in constant), default=0)
        varying = merge_grids([grid for grid in grids if grid.knobs])
        return Compiled(tuple(varying), fixed, fixed_code, self.held_out.interval, self.bend)
