"""Which kernels the runtime makes of a unit: predicted from its key, learnt from the runtime's own optimised graphs.

Runtimes fuse a layer with what follows it, and put reorders between layouts: what they do depends on the operators and
on whether widths fit the layout's blocks. So a unit's kernels are those that the nearest unit with a profile became:
the same key, else the same family with widths that are multiples of the same powers of two, else the same family.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .keys import UnitKey
from .table import NetworkRow

K = TypeVar("K")

Kernels = tuple[str, ...]
"""The runtime's operators that one unit became, in order."""

_LARGEST_POWER = 16
"""Largest power of two that layouts of channels are made of."""


def hit_rate(predicted: Iterable[str], actual: Iterable[str]) -> float:
    """Return the share of kernels that are in both lists of operators; each missing or surplus one counts against it.

    1 where both are empty.
    """
    mine, theirs = Counter(predicted), Counter(actual)
    most = (mine | theirs).total()
    return (mine & theirs).total() / most if most else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class KernelPredictor:
    """Predict kernels of units; made by `KernelPredictor.fit`.

    Attributes:
        by_key: Key -> its commonest kernels.
        by_alignment: Family and alignment of both widths -> likewise.
        by_family: Family -> likewise.
    """

    by_key: Mapping[UnitKey, Kernels]
    by_alignment: Mapping[tuple[str, int, int], Kernels]
    by_family: Mapping[str, Kernels]

    @classmethod
    def fit(cls, rows: Sequence[NetworkRow]) -> KernelPredictor:
        """Learn from networks that have a profile; a unit without a node there has no kernels: it was fused away."""
        seen = [(u.key, u.operators) for row in rows if row.hit_rate > 0 for u in row.units]
        return cls(
            _commonest((key, made) for key, made in seen),
            _commonest((_alignment(key), made) for key, made in seen),
            _commonest((key.family, made) for key, made in seen),
        )

    def unit(self, key: UnitKey) -> Kernels | None:
        """Return the kernels of one unit; None for a family that was never seen."""
        for found in (self.by_key.get(key), self.by_alignment.get(_alignment(key)), self.by_family.get(key.family)):
            if found is not None:
                return found
        return None

    def network(self, keys: Iterable[UnitKey]) -> list[str] | None:
        """Return the operators of a network's kernels; None where a family was never seen."""
        kernels: list[str] = []
        for key in keys:
            made = self.unit(key)
            if made is None:
                return None
            kernels += made
        return kernels

    def hit_rate(self, rows: Iterable[NetworkRow]) -> float | None:
        """Return the share of kernels of profiled networks that are predicted unit by unit; None without networks.

        Units of families that were never seen count as wholly missed.
        """
        hits, most = self._hits(rows)
        return hits / most if most else None

    def _hits(self, rows: Iterable[NetworkRow]) -> tuple[int, int]:
        """Return how many kernels are both predicted and made, and how many are either."""
        hits = most = 0
        for row in rows:
            for unit in row.units if row.hit_rate > 0 else ():
                mine, theirs = Counter(self.unit(unit.key) or ()), Counter(unit.operators)
                hits += (mine & theirs).total()
                most += (mine | theirs).total()
        return hits, most


def held_out_hit_rate(rows: Sequence[NetworkRow], folds: int = 5) -> float | None:
    """Return the share of kernels that is predicted for networks that were left out.

    Args:
        rows: Networks; those without a profile are left aside.
        folds: In how many parts they are left out.

    Returns:
        None for fewer than two networks with a profile.
    """
    ordered = sorted((row for row in rows if row.hit_rate > 0), key=lambda row: row.job)
    n = min(folds, len(ordered))
    if n < 2:
        return None
    found = []
    for fold in range(n):
        seen = [row for i, row in enumerate(ordered) if i % n != fold]
        found.append(KernelPredictor.fit(seen)._hits(ordered[fold::n]))
    hits, most = (sum(each) for each in zip(*found, strict=True))
    return hits / most if most else None


def _alignment(key: UnitKey) -> tuple[str, int, int]:
    width_in, width_out = (min(width & -width, _LARGEST_POWER) for width in key.widths)
    return key.family, width_in, width_out


def _commonest(seen: Iterable[tuple[K, Kernels]]) -> dict[K, Kernels]:
    counts: dict[K, Counter[Kernels]] = defaultdict(Counter)
    for name, made in seen:
        counts[name][made] += 1
    # Ties go to the shortest, then the first by name, so that the order of networks does not matter.
    return {name: min(own, key=lambda made: (-own[made], len(made), made)) for name, own in counts.items()}
