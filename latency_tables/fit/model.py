"""Cells of all families and their bend: what is fitted, once on all networks and once for each fold left out."""

from __future__ import annotations

import difflib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm  # type: ignore[import-untyped, unused-ignore]

from ..errors import UnknownPieceError
from ..families import Family
from ..journal import BASELINE
from ..keys import PieceKey
from ..table import NetworkRow
from .alike import Positions
from .bend import Bend
from .cells import Codes, FamilyCells
from .correction import Correction
from .law import Array
from .overhead import profiling_overhead, true_shares
from .pace import PRIOR_DEVIATION, UNKNOWN_PACE, Pace, leaning
from .pooled import laws_of_networks

BASELINE_WEIGHT = 4
"""Networks for which the baseline counts: its ratio is 1 by definition, without the error of a timing, which is some
three quarters of the variance of the others about their cells."""

ROUNDS = 3
"""Cells are shares of bent-back times and the bend follows from the cells: so often one is fitted to the other."""

OUTLYING = 4.0
"""Standard deviations off the bend above which a network's timing counts as disturbed."""

LEAST_SPREAD = 0.03
"""Standard deviation of logarithms that networks are granted about the bend in any case."""

LEAST_JUDGED = 8
"""Networks below which none is called disturbed."""

# Lower end of an interval, relative to its upper one, below which it tells nothing more.
_LEAST_END = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Predict seconds of pieces and networks from fitted cells.

    A network's seconds are `bend(sum over pieces of cell)`; a cell is what the profiles say, corrected by what whole
    networks say.

    Attributes:
        families: Family -> its cells, as the profiles have them.
        bend: From sums of cells to whole networks.
        unseen: Families that occur in networks, but that no node of the runtime was found for.
        correction: Of the cells; None where there are too few networks for one.
        timing: Standard deviation of the logarithm of a usual timing in the table, as its interval says it.
        pace: How ratios depend on the machine's.
    """

    families: Mapping[Family, FamilyCells]
    bend: Bend
    unseen: frozenset[Family]
    correction: Correction | None = None
    timing: float = 0.0
    pace: Pace = UNKNOWN_PACE

    def cells(self, keys: Sequence[PieceKey]) -> tuple[Array, Codes]:
        """Return the summand of each key, and its position in `ORIGINS`, both of shape (len(keys),).

        Raises:
            UnknownPieceError: Some keys are of families that were never measured; it names all of them.
        """
        seconds, codes = np.zeros(len(keys)), np.zeros(len(keys), dtype=np.int8)
        places: dict[Family, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            places[key.family].append(place)
        self._check_known(places)
        for family, own in places.items():
            width_in, width_out = np.array([keys[place].widths for place in own], dtype=np.float64).T
            seconds[own] = self.families[family].seconds(width_in, width_out)
            codes[own] = self.families[family].origins(width_in, width_out)
        if self.correction is not None and keys:
            seconds *= np.exp(self.correction.mean(keys))
        return seconds, codes

    def networks(self, networks: Sequence[Sequence[PieceKey]], slowdowns: ArrayLike = 0.0) -> tuple[Array, Codes]:
        """Return the seconds of whole networks and the worst position in `ORIGINS` of their pieces, both of shape (n,).

        Args:
            networks: Pieces of each.
            slowdowns: Of the machine where their ratios are taken (`NetworkRow.slowdown`), shape (n,) or (); by default
                none: the pace that the table was begun with.

        Raises:
            UnknownPieceError: See `cells`.
        """
        keys, rows, places = _layout(networks)
        seconds, codes = self.cells(keys)
        worst = np.zeros(len(networks), dtype=np.int8)
        np.maximum.at(worst, rows, codes[places])
        found = self.bend.seconds(_totals(rows, seconds[places], len(networks)))
        return self.pace.seconds(found, slowdowns), worst

    def deviations(self, networks: Sequence[Sequence[PieceKey]], timing: Array | None = None) -> Array:
        """Return the standard deviation of the logarithm of measured over predicted seconds of networks, shape (n,).

        What the cells leave open, what no cell explains, as each network's own placement in memory, and the
        unsteadiness of a timing. 0 where there are too few networks to tell, and for a network of no time.

        Args:
            networks: Pieces of each.
            timing: Standard deviation of each network's timing, shape (n,); that of a usual one by default.
        """
        keys, rows, places = _layout(networks)
        if self.correction is None or not keys:
            return np.zeros(len(networks))
        parts = np.zeros((len(networks), len(keys)))
        np.add.at(parts, (rows, places), self.cells(keys)[0][places])
        totals = parts.sum(axis=1)
        shares = np.divide(parts, totals[:, None], out=np.zeros_like(parts), where=totals[:, None] > 0)
        deviations = np.hypot(self.correction.spread(keys, shares), self.correction.noise)
        deviations = np.hypot(deviations * self.bend.steepness(totals), self.timing if timing is None else timing)
        return np.where(totals > 0, deviations, 0.0)

    def _check_known(self, wanted: Iterable[Family]) -> None:
        unknown = sorted(set(wanted) - set(self.families))
        if unknown:
            raise UnknownPieceError(" ".join(map(self._about, unknown)), [str(family) for family in unknown])

    def _about(self, family: Family) -> str:
        name = str(family)
        if family in self.unseen:
            return (
                f"Pieces {name!r} are in timed networks, but the runtime ran no node of theirs, so their time is "
                "unknown: give their values to the piece that they are fused into."
            )
        near = difflib.get_close_matches(name, map(str, self.families), n=1)
        hint = f" (nearest: {near[0]!r})" if near else ""
        return f"Pieces {name!r} were never measured{hint}, so their time is unknown: build networks that have them."


def _layout(networks: Sequence[Sequence[PieceKey]]) -> tuple[list[PieceKey], Positions, Positions]:
    """Return distinct keys, ascending; the network of each piece; the position of each piece's key."""
    keys = sorted({key for pieces in networks for key in pieces})
    place = {key: i for i, key in enumerate(keys)}
    rows = [i for i, pieces in enumerate(networks) for _ in pieces]
    # Sorted, so that the order of pieces does not matter even in the last bit.
    places = [i for pieces in networks for i in sorted(place[key] for key in pieces)]
    return keys, np.array(rows, dtype=np.intp), np.array(places, dtype=np.intp)


def _totals(rows: Positions, summands: Array, n: int) -> Array:
    # Without pieces, numpy counts in integers.
    return np.bincount(rows, summands, minlength=n).astype(np.float64)


def fit_model(rows: Sequence[NetworkRow], quantum: int) -> Model:
    """Fit cells, bend and correction to timed networks.

    A cell is the mean, over the pieces of all networks that have its key, of the piece's share times the network's
    seconds, bent back. Where no network has shares (the runtime gives no times of layers), laws of operations are
    fitted to whole networks instead (`pooled`), and no cell counts as measured.

    Ratios are brought to the pace that the table was begun with (`pace`): first with the usual dependence, then with
    the one that the errors of the first fit tell.

    A network counts by the interval of its timing (`timing_deviations`): what the machine's unsteadiness left wide
    says little. One that is far off what its cells say even so, as a burst of other work leaves it, gives shares, but
    no scale. The baseline counts for `BASELINE_WEIGHT` networks.

    Args:
        rows: Networks, the baseline among them.
        quantum: Units in one step of the runtime.
    """
    # Sorted, so that the fit does not depend on the order in which networks were timed.
    exact = [row for row in rows if row.origin == BASELINE]
    rows = sorted([*rows, *(BASELINE_WEIGHT - 1) * exact], key=lambda row: row.job)
    usual = Pace.of(rows)
    model, step = _fit(rows, quantum, usual, PRIOR_DEVIATION)
    own = usual.moved(step)
    return model if own == usual else _fit(rows, quantum, own, 0.0)[0]


def _fit(rows: Sequence[NetworkRow], quantum: int, pace: Pace, open_by: float) -> tuple[Model, float]:
    """Fit everything at a dependence on the pace; return by how much the errors say that it is too low, too.

    Args:
        rows: As they were timed.
        quantum: See `fit_model`.
        pace: What ratios are brought to.
        open_by: Standard deviation of its dependence; errors that follow it are not the cells' then.
    """
    leans = open_by * leaning(rows)
    rows = [pace.at_reference(row) for row in rows]
    timed = _Timed.of(rows)
    bend, sums, deviations = Bend(), timed.seconds, timing_deviations(rows)
    trusted = LEAST_SPREAD / np.hypot(LEAST_SPREAD, deviations)
    for _ in range(ROUNDS):
        families = timed.families(sums, quantum) or laws_of_networks(rows, sums, quantum, trusted)
        known, totals, design = timed.totals(families)
        if not known.size:
            break
        bend, trust = _fit_bend(totals, timed.seconds[known], deviations[known])
        # A copy: a straight bend returns what it was given, and the measured seconds must stay.
        sums = bend.sums(timed.seconds).copy()
        # What a timing does not say of its network's scale, the others' cells do.
        sums[known] = sums[known] ** trust * totals ** (1 - trust)
    unseen = frozenset(piece.key.family for row in rows for piece in row.pieces) - set(families)
    if len(known) < 2:
        return Model(families, bend, unseen, pace=pace), 0.0
    errors = np.log(bend.sums(timed.seconds[known])) - np.log(totals)
    used = np.flatnonzero(design.any(axis=0))
    keys = [timed.keys[place] for place in used]
    own = deviations[known] / bend.steepness(totals)
    shares = design[:, used] / totals[:, None]
    correction = Correction.fit(keys, timed.samples, shares, errors, own, leans[known])
    timings = deviations[[row.origin != BASELINE for row in rows]]
    timing = float(np.median(timings)) if timings.size else 0.0
    return Model(families, bend, unseen, correction, timing, pace), open_by * correction.lean


def timing_deviations(rows: Sequence[NetworkRow]) -> Array:
    """Return the standard deviation of the logarithm of each network's ratio, shape (n,), as its interval says it.

    0 for the baseline, whose ratio is 1 by definition.
    """
    ends = [(row.ratio.low, row.ratio.high, row.ratio.confidence) for row in rows]
    low, high, confidence = np.array(ends, dtype=np.float64).reshape(-1, 3).T
    # An end at zero says nothing of the ratio: a logarithm's width as wide as any.
    return np.asarray(np.log(high / np.maximum(low, high * _LEAST_END)) / (2 * norm.ppf((1 + confidence) / 2)))


@dataclass(frozen=True, slots=True, eq=False)
class _Timed:
    """All pieces of all networks as arrays.

    Attributes:
        keys: Distinct keys, ascending.
        seconds: Of each network, shape (n_rows,).
        rows: Network of each piece, shape (n_units,).
        places: Position of each piece's key, shape (n_units,).
        shares: Of the network's time, shape (n_units,); nan where the profile does not say.
    """

    keys: list[PieceKey]
    seconds: Array
    rows: Positions
    places: Positions
    shares: Array

    @classmethod
    def of(cls, rows: Sequence[NetworkRow]) -> _Timed:
        overhead = profiling_overhead(rows)
        owned = [true_shares(row, overhead) for row in rows]
        keys = sorted({piece.key for row in rows for piece in row.pieces})
        place = {key: i for i, key in enumerate(keys)}
        found = [
            (i, place[piece.key], own.get(piece.name, math.nan))
            for i, (row, own) in enumerate(zip(rows, owned, strict=True))
            for piece in row.pieces
        ]
        lines, places, shares = np.array(found, dtype=np.float64).reshape(-1, 3).T
        seconds = np.array([row.seconds.median for row in rows])
        return cls(keys, seconds, lines.astype(np.intp), places.astype(np.intp), shares)

    @property
    def samples(self) -> dict[PieceKey, int]:
        """How often the profile has seen each key; absent for none."""
        return {key: n for key, n in zip(self.keys, self._counts().tolist(), strict=True) if n}

    def families(self, sums: Array, quantum: int) -> dict[Family, FamilyCells]:
        """Return the cells that the profiles give, for networks of these sums; empty without profiles."""
        values = np.nan_to_num(self.shares) * sums[self.rows]
        means = np.bincount(self.places, values, minlength=len(self.keys)) / np.maximum(self._counts(), 1)
        cells: dict[Family, dict[tuple[int, int], float]] = defaultdict(dict)
        for key, mean, n in zip(self.keys, means.tolist(), self._counts().tolist(), strict=True):
            if n:
                cells[key.family][key.widths] = mean
        return {family: FamilyCells.fit(group, quantum) for family, group in cells.items()}

    def totals(self, families: Mapping[Family, FamilyCells]) -> tuple[Positions, Array, Array]:
        """Sum cells of the networks whose pieces are all known.

        Returns:
            Positions of those networks, shape (n,); sums of their cells, above zero, shape (n,); parts of the sums by
            key, shape (n, n_keys).
        """
        is_known = np.array([key.family in families for key in self.keys], dtype=np.bool_)
        seconds = np.full(len(self.keys), np.nan)
        seconds[is_known] = Model(families, Bend(), frozenset()).cells(
            [key for key in self.keys if key.family in families]
        )[0]
        shape = (len(self.seconds), len(self.keys))
        counts = np.bincount(self.rows * shape[1] + self.places, minlength=shape[0] * shape[1]).reshape(shape)
        totals = _totals(self.rows, seconds[self.places], shape[0])
        known = np.flatnonzero(totals > 0)
        return known, totals[known], counts[known] * np.nan_to_num(seconds)

    def _counts(self) -> Positions:
        return np.bincount(self.places[~np.isnan(self.shares)], minlength=len(self.keys))


def _fit_bend(totals: Array, seconds: Array, deviations: Array) -> tuple[Bend, Array]:
    """Return the bend, and how far each network's timing is to be trusted, from 0 to 1.

    By the timing's own deviation; and not at all where a network is farther off the bend than that and the others say.
    """
    trust = LEAST_SPREAD**2 / (LEAST_SPREAD**2 + deviations**2)
    bend = Bend.fit(totals, seconds, trust)
    errors = np.log(seconds) - np.log(bend.seconds(totals))
    if len(errors) < LEAST_JUDGED:
        return bend, trust
    errors = np.abs(errors - np.median(errors))
    # The median of the absolute error, times this, is the standard deviation of a normal distribution.
    spread = max(1.4826 * float(np.median(errors)), LEAST_SPREAD)
    usual = errors <= OUTLYING * np.hypot(spread, deviations)
    return (bend if usual.all() else Bend.fit(totals[usual], seconds[usual], trust[usual])), np.where(usual, trust, 0.0)
