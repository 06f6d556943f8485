"""Cells of all families and their calibration: what is fitted, once on all networks and once for each fold left out."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .calibrate import Calibration
from .cells import FamilyCells
from .errors import UnknownUnitError
from .keys import UnitKey
from .law import N_FEATURES, Array, StairLaw, fit_nonnegative, stairs
from .table import NetworkRow

WHOLE_NETWORK_PRIOR = 0.1
"""Weight of "all units take equal times" where only whole networks were timed: many laws share each observation."""


@dataclass(frozen=True, slots=True)
class Model:
    """Predict seconds of units from fitted cells.

    Attributes:
        families: Family -> its cells.
        calibration: From sums of cells to whole networks.
        unseen: Families that occur in networks, but that no node of the runtime was found for.
    """

    families: Mapping[str, FamilyCells]
    calibration: Calibration
    unseen: frozenset[str]

    def cells(self, keys: Iterable[UnitKey]) -> dict[UnitKey, tuple[float, int]]:
        """Return calibrated seconds and the position in `ORIGINS` of each key.

        Raises:
            UnknownUnitError: Some keys are of families that were never measured; it names all of them.
        """
        wanted: dict[str, list[UnitKey]] = defaultdict(list)
        for key in dict.fromkeys(keys):
            wanted[key.family].append(key)
        self._check_known(wanted)
        found: dict[UnitKey, tuple[float, int]] = {}
        for family, group in wanted.items():
            width_in, width_out = np.array([key.widths for key in group], dtype=np.float64).T
            seconds = self.calibration.factor(group[0].kind) * self.families[family].seconds(width_in, width_out)
            codes = self.families[family].origins(width_in, width_out)
            found.update(zip(group, zip(seconds.tolist(), codes.tolist(), strict=True), strict=True))
        return found

    def network(self, keys: Sequence[UnitKey]) -> tuple[float, int]:
        """Return calibrated seconds of a whole network and the worst position in `ORIGINS` of its units.

        Raises:
            UnknownUnitError: See `cells`.
        """
        cells = self.cells(keys)
        # Sorted, so that the order of units does not matter even in the last bit.
        total = self.calibration.fixed_s + sum(sorted(cells[key][0] for key in keys))
        return total, max((code for _, code in cells.values()), default=0)

    def _check_known(self, wanted: Mapping[str, list[UnitKey]]) -> None:
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
    """Fit cells and calibration to timed networks.

    A cell is the mean, over the units of all networks that have its key, of the unit's share times the network's
    seconds. Where no network has shares (the runtime gives no times of layers), the families' laws are fitted to
    whole networks instead, and no cell counts as measured.

    Args:
        rows: Networks, the baseline among them.
        quantum: Channels in one block of the runtime.
    """
    samples: dict[UnitKey, list[float]] = defaultdict(list)
    for row in rows:
        for unit in row.units:
            if unit.share is not None:
                samples[unit.key].append(unit.share * row.seconds.median)
    families = _families(samples, quantum) if samples else _laws_of_networks(rows, quantum)
    unseen = frozenset(unit.key.family for row in rows for unit in row.units) - set(families)
    plain = Model(families, Calibration(), unseen)
    return Model(families, _calibration(plain, rows), unseen)


def _families(samples: Mapping[UnitKey, Sequence[float]], quantum: int) -> dict[str, FamilyCells]:
    cells: dict[str, dict[tuple[int, int], float]] = defaultdict(dict)
    # Sorted, so that the fit does not depend on the order in which networks were timed.
    for key in sorted(samples):
        cells[key.family][key.widths] = float(np.mean(sorted(samples[key])))
    return {family: FamilyCells.fit(group, quantum) for family, group in cells.items()}


def _laws_of_networks(rows: Sequence[NetworkRow], quantum: int) -> dict[str, FamilyCells]:
    """Fit one law a family to whole networks: each family's features, summed over its units, are its columns."""
    names = sorted({unit.key.family for row in rows for unit in row.units})
    columns = {name: slice(i * N_FEATURES, (i + 1) * N_FEATURES) for i, name in enumerate(names)}
    features = np.zeros((len(rows), len(names) * N_FEATURES))
    widths: dict[str, set[tuple[int, int]]] = defaultdict(set)
    equal: dict[str, list[float]] = defaultdict(list)
    for line, row in zip(features, rows, strict=True):
        for unit in row.units:
            step = stairs(*unit.key.widths, quantum)
            line[columns[unit.key.family]] += step
            widths[unit.key.family].add(unit.key.widths)
            equal[unit.key.family].append(row.seconds.median / len(row.units) / float(step[3]))
    prior = np.zeros(features.shape[1])
    for name, column in columns.items():
        prior[column.start + 3] = np.mean(equal[name])
    seconds = np.array([row.seconds.median for row in rows])
    fitted = fit_nonnegative(features, seconds, prior, WHOLE_NETWORK_PRIOR)
    laws = {name: StairLaw(quantum, tuple(fitted[column].tolist())) for name, column in columns.items()}
    return {name: FamilyCells.of_law(law, np.array(sorted(widths[name]), float)) for name, law in laws.items()}


def _calibration(model: Model, rows: Sequence[NetworkRow]) -> Calibration:
    """Fit the calibration on the networks whose units are all known."""
    known = [row for row in rows if row.units and all(unit.key.family in model.families for unit in row.units)]
    kinds = sorted({unit.key.kind for row in known for unit in row.units})
    cells = model.cells(unit.key for row in known for unit in row.units)
    sums: Array = np.zeros((len(known), len(kinds)))
    for line, row in zip(sums, known, strict=True):
        for unit in row.units:
            line[kinds.index(unit.key.kind)] += cells[unit.key][0]
    return Calibration.fit(kinds, sums, np.array([row.seconds.median for row in known]))
