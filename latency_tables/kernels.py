"""Which kernels the runtime makes of a piece, learnt from the runtime's own optimised graphs.

Runtimes fuse a layer with what follows it, and put reorders between layouts: what they do depends on the operators and
on whether widths fit the layout's blocks. It also depends on the company that a piece's values keep: a concatenation
stays in blocks only where all of its parts fit them, so a neighbour's odd width costs this piece a reorder. And of the
pieces whose values are added up, the last is fused with what follows the sum: which one that is changes where blocks
are removed.

A piece's kernels are those that the most similar profiled piece became: the same key with the same successor and in
company that fits the same blocks; else the same family with widths and company that do; then both whatever the
successor; then, whatever the company, the same key, widths that fit the same blocks, the same family.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .keys import PieceKey
from .table import NetworkRow

Kernels = tuple[str, ...]
"""The runtime's operators that one piece became, in order."""

_LARGEST_POWER = 16
"""Largest power of two that layouts of channels are made of."""


def hit_rate(predicted: Iterable[str], actual: Iterable[str]) -> float:
    """Return the share of kernels that are in both lists of operators; each missing or surplus one counts against it.

    1 where both are empty.
    """
    mine, theirs = Counter(predicted), Counter(actual)
    most = (mine | theirs).total()
    return (mine & theirs).total() / most if most else 1.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Which pieces' values meet.

    Attributes:
        arriving: Piece name -> pieces whose values it reads.
        meeting: Piece name -> pieces whose values some later call reads together with its own, itself among them.
    """

    arriving: Mapping[str, frozenset[str]] = field(default_factory=dict)
    meeting: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def company(self, name: str, pieces: Mapping[str, PieceKey]) -> tuple[int, int]:
        """Return the least alignment of what arrives at a piece and of what its values meet; 0 where none is known."""
        return _least(self.arriving.get(name, ()), pieces), _least(self.meeting.get(name, ()), pieces)

    def successor(self, name: str, pieces: Mapping[str, PieceKey]) -> str | None:
        """Return the next piece, in the order of `pieces`, whose values meet this one's; None where it is the last."""
        met = self.meeting.get(name, frozenset())
        later = itertools.dropwhile(lambda other: other != name, pieces)
        return next((other for other in later if other in met and other != name), None)


ALONE = Neighbours()
"""Where nothing is known of a network's graph."""


@dataclass(frozen=True, slots=True, eq=False)
class KernelPredictor:
    """Predict kernels of pieces; made by `KernelPredictor.fit`.

    Attributes:
        seen: What tells pieces apart, from the closest description to the family alone -> the commonest kernels.
        neighbours: Of the network's pieces.
    """

    seen: Mapping[Hashable, Kernels]
    neighbours: Neighbours = ALONE

    @classmethod
    def fit(cls, rows: Sequence[NetworkRow], neighbours: Neighbours = ALONE) -> KernelPredictor:
        """Learn from networks that have a profile; a piece without a node there has no kernels: it was fused away."""
        counts: dict[Hashable, Counter[Kernels]] = defaultdict(Counter)
        for row in rows:
            pieces = {piece.name: piece.key for piece in row.pieces}
            for piece in row.pieces if row.hit_rate > 0 else ():
                for description in _descriptions(piece.name, pieces, neighbours):
                    counts[description][piece.operators] += 1
        # Ties go to the shortest, then the first by name, so that the order of networks does not matter.
        commonest = {
            description: min(own, key=lambda made: (-own[made], len(made), made)) for description, own in counts.items()
        }
        return cls(commonest, neighbours)

    def piece(self, name: str, pieces: Mapping[str, PieceKey]) -> Kernels | None:
        """Return the kernels of one piece of a network; None for a family that was never seen.

        Args:
            name: Piece name.
            pieces: Piece name -> key, of the whole network, in the order in which they run.
        """
        for description in _descriptions(name, pieces, self.neighbours):
            if description in self.seen:
                return self.seen[description]
        return None

    def network(self, pieces: Mapping[str, PieceKey]) -> list[str] | None:
        """Return the operators of a network's kernels; None where a family was never seen."""
        kernels: list[str] = []
        for name in pieces:
            made = self.piece(name, pieces)
            if made is None:
                return None
            kernels += made
        return kernels

    def hit_rate(self, rows: Iterable[NetworkRow]) -> float | None:
        """Return the share of kernels of profiled networks that are predicted piece by piece; None without networks.

        Pieces of families that were never seen count as wholly missed.
        """
        hits, most = self._hits(rows)
        return hits / most if most else None

    def _hits(self, rows: Iterable[NetworkRow]) -> tuple[int, int]:
        """Return how many kernels are both predicted and made, and how many are either."""
        hits = most = 0
        for row in rows:
            pieces = {piece.name: piece.key for piece in row.pieces}
            for piece in row.pieces if row.hit_rate > 0 else ():
                mine, theirs = Counter(self.piece(piece.name, pieces) or ()), Counter(piece.operators)
                hits += (mine & theirs).total()
                most += (mine | theirs).total()
        return hits, most


def held_out_hit_rate(rows: Sequence[NetworkRow], neighbours: Neighbours = ALONE, *, folds: int = 5) -> float | None:
    """Return the share of kernels that is predicted for networks that were left out.

    Args:
        rows: Networks; those without a profile are left aside.
        neighbours: Of their pieces.
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
        known = [row for i, row in enumerate(ordered) if i % n != fold]
        found.append(KernelPredictor.fit(known, neighbours)._hits(ordered[fold::n]))
    hits, most = (sum(each) for each in zip(*found, strict=True))
    return hits / most if most else None


def _descriptions(name: str, pieces: Mapping[str, PieceKey], neighbours: Neighbours) -> Iterator[Hashable]:
    """Yield what tells a piece apart, the closest description first."""
    key, company = pieces[name], neighbours.company(name, pieces)
    alignment = (key.family, *map(_power, key.widths))
    # Without company known, the first four would only repeat the next two.
    if any(company):
        successor = neighbours.successor(name, pieces)
        yield key, company, successor
        yield alignment, company, successor
        yield key, company
        yield alignment, company
    yield key
    yield alignment
    yield key.family


def _power(width: int) -> int:
    """Return the largest power of two that divides a width, up to `_LARGEST_POWER`."""
    return min(width & -width, _LARGEST_POWER)


def _least(names: Iterable[str], pieces: Mapping[str, PieceKey]) -> int:
    return min((_power(pieces[name].widths[1]) for name in names if name in pieces), default=0)
