"""Cells of all families and their bend: what is fitted, once on all networks and once for each fold left out."""

from __future__ import annotations

import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .bend import Bend
from .cells import Codes, FamilyCells
from .correction import Correction
from .errors import UnknownUnitError
from .keys import UnitKey
from .law import N_FEATURES, Array, StairLaw, fit_nonnegative, stairs
from .overhead import profiling_overhead, true_shares
from .table import NetworkRow

WHOLE_NETWORK_PRIOR = 0.1
"""Weight of "all units take equal times" where only whole networks were timed: many laws share each observation."""

ROUNDS = 3
"""Cells are shares of bent-back times and the bend follows from the cells: so often one is fitted to the other."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Predict seconds of units and networks from fitted cells.

    A network's seconds are `bend(sum over units of cell)`; a cell is what the profiles say, corrected by what whole
    networks say.

    Attributes:
        families: Family -> its cells, as the profiles have them.
        bend: From sums of cells to whole networks.
        unseen: Families that occur in networks, but that no node of the runtime was found for.
        correction: Of the cells; None where there are too few networks for one.
    """

    families: Mapping[str, FamilyCells]
    bend: Bend
    unseen: frozenset[str]
    correction: Correction | None = None

    def cells(self, keys: Sequence[UnitKey]) -> tuple[Array, Codes]:
        """Return the summand of each key, and its position in `ORIGINS`, both of shape (len(keys),).

        Raises:
            UnknownUnitError: Some keys are of families that were never measured; it names all of them.
        """
        seconds, codes = np.zeros(len(keys)), np.zeros(len(keys), dtype=np.int8)
        places: dict[str, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            places[key.family].append(place)
        self._check_known(places)
        for family, own in places.items():
            width_in, width_out = np.array([keys[place].widths for place in own], dtype=np.float64).T
            seconds[own] = self.families[family].seconds(width_in, width_out)
            codes[own] = self.families[family].origins(width_in, width_out)
            if self.correction is not None:
                seconds[own] *= np.exp(self.correction.mean([keys[place] for place in own]))
        return seconds, codes

    def network(self, keys: Sequence[UnitKey]) -> tuple[float, int]:
        """Return the seconds of a whole network and the worst position in `ORIGINS` of its units.

        Raises:
            UnknownUnitError: See `cells`.
        """
        counts = Counter(keys)
        # Sorted, so that the order of units does not matter even in the last bit.
        distinct = sorted(counts)
        seconds, codes = self.cells(distinct)
        total = sum(counts[key] * cell for key, cell in zip(distinct, seconds.tolist(), strict=True))
        return float(self.bend.seconds(total)), max(codes.tolist(), default=0)

    def deviation(self, keys: Sequence[UnitKey]) -> float:
        """Return the standard deviation of the logarithm of measured over predicted seconds of one network.

        What the cells leave open, and what no cell explains: each network's own placement in memory, and the noise of
        a timing. 0 where there are too few networks to tell.
        """
        counts = Counter(keys)
        if self.correction is None or not counts:
            return 0.0
        distinct = sorted(counts)
        seconds = self.cells(distinct)[0] * np.array([counts[key] for key in distinct])
        return math.hypot(self.correction.spread(distinct, seconds / seconds.sum()), self.correction.noise)

    def _check_known(self, wanted: Iterable[str]) -> None:
        unknown = sorted(set(wanted) - set(self.families))
        if unknown:
            raise UnknownUnitError(" ".join(map(self._about, unknown)), unknown)

    def _about(self, family: str) -> str:
        if family in self.unseen:
            return (
                f"Units {family!r} are in timed networks, but the runtime ran no node of theirs, so their time is "
                "unknown: give their values to the unit that they are fused into."
            )
        near = difflib.get_close_matches(family, self.families, n=1)
        hint = f" (nearest: {near[0]!r})" if near else ""
        return f"Units {family!r} were never measured{hint}, so their time is unknown: build networks that have them."


def fit_model(rows: Sequence[NetworkRow], quantum: int) -> Model:
    """Fit cells, bend and correction to timed networks.

    A cell is the mean, over the units of all networks that have its key, of the unit's share times the network's
    seconds, bent back. Where no network has shares (the runtime gives no times of layers), the families' laws are
    fitted to whole networks instead, and no cell counts as measured.

    Args:
        rows: Networks, the baseline among them.
        quantum: Channels in one block of the runtime.
    """
    # Sorted, so that the fit does not depend on the order in which networks were timed.
    rows = sorted(rows, key=lambda row: row.job)
    overhead = profiling_overhead(rows)
    shares = [true_shares(row, overhead) for row in rows]
    seconds = np.array([row.seconds.median for row in rows])
    bend, sums = Bend(), seconds
    samples: dict[UnitKey, int] = {}
    for _ in range(ROUNDS):
        found = _samples(rows, shares, sums)
        samples = {key: len(values) for key, values in found.items()}
        families = _families(found, quantum) if found else _laws_of_networks(rows, sums, quantum)
        cells = _Sums.of(rows, families)
        if not cells.rows.size:
            break
        bend = Bend.fit(cells.totals, seconds[cells.rows])
        sums = bend.sums(seconds)
    unseen = frozenset(unit.key.family for row in rows for unit in row.units) - set(families)
    return Model(families, bend, unseen, _correction(cells, bend, samples, seconds))


def _samples(
    rows: Sequence[NetworkRow], shares: Sequence[Mapping[str, float]], sums: Array
) -> dict[UnitKey, list[float]]:
    samples: dict[UnitKey, list[float]] = defaultdict(list)
    for row, own, total in zip(rows, shares, sums.tolist(), strict=True):
        for unit in row.units:
            if unit.name in own:
                samples[unit.key].append(own[unit.name] * total)
    return samples


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """The networks whose units are all known, as sums of cells.

    Attributes:
        rows: Positions of those networks.
        keys: Distinct keys of their units.
        parts: Summed seconds of each key in each network, shape (len(rows), len(keys)).
    """

    rows: np.ndarray[tuple[int], np.dtype[np.intp]]
    keys: list[UnitKey]
    parts: Array

    @classmethod
    def of(cls, rows: Sequence[NetworkRow], families: Mapping[str, FamilyCells]) -> _Sums:
        known = [
            i for i, row in enumerate(rows) if row.units and all(unit.key.family in families for unit in row.units)
        ]
        keys = sorted({unit.key for i in known for unit in rows[i].units})
        place = {key: j for j, key in enumerate(keys)}
        counts = np.zeros((len(known), len(keys)))
        for line, i in zip(counts, known, strict=True):
            for unit in rows[i].units:
                line[place[unit.key]] += 1
        seconds = Model(families, Bend(), frozenset()).cells(keys)[0]
        return cls(np.array(known, dtype=np.intp), keys, counts * seconds)

    @property
    def totals(self) -> Array:
        """Summed cells of each network, shape (len(rows),)."""
        return np.asarray(self.parts.sum(axis=1))


def _correction(cells: _Sums, bend: Bend, samples: Mapping[UnitKey, int], seconds: Array) -> Correction | None:
    if len(cells.rows) < 2:
        return None
    errors = np.log(seconds[cells.rows]) - np.log(bend.seconds(cells.totals))
    return Correction.fit(cells.keys, samples, cells.parts / cells.totals[:, None], errors)


def _families(samples: Mapping[UnitKey, Sequence[float]], quantum: int) -> dict[str, FamilyCells]:
    cells: dict[str, dict[tuple[int, int], float]] = defaultdict(dict)
    # Sorted, so that the fit does not depend on the order in which networks were timed.
    for key in sorted(samples):
        cells[key.family][key.widths] = float(np.mean(sorted(samples[key])))
    return {family: FamilyCells.fit(group, quantum) for family, group in cells.items()}


def _laws_of_networks(rows: Sequence[NetworkRow], sums: Array, quantum: int) -> dict[str, FamilyCells]:
    """Fit one law a family to whole networks: each family's features, summed over its units, are its columns."""
    names = sorted({unit.key.family for row in rows for unit in row.units})
    columns = {name: slice(i * N_FEATURES, (i + 1) * N_FEATURES) for i, name in enumerate(names)}
    features = np.zeros((len(rows), len(names) * N_FEATURES))
    widths: dict[str, set[tuple[int, int]]] = defaultdict(set)
    equal: dict[str, list[float]] = defaultdict(list)
    for line, row, total in zip(features, rows, sums.tolist(), strict=True):
        for unit in row.units:
            step = stairs(*unit.key.widths, quantum)
            line[columns[unit.key.family]] += step
            widths[unit.key.family].add(unit.key.widths)
            equal[unit.key.family].append(total / len(row.units) / float(step[3]))
    prior = np.zeros(features.shape[1])
    for name, column in columns.items():
        prior[column.start + 3] = np.mean(equal[name])
    fitted = fit_nonnegative(features, sums, prior, WHOLE_NETWORK_PRIOR)
    laws = {name: StairLaw(quantum, tuple(fitted[column].tolist())) for name, column in columns.items()}
    return {name: FamilyCells.of_law(law, np.array(sorted(widths[name]), float)) for name, law in laws.items()}
