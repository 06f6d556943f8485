"""What a selection makes of the axes of a tensor: which positions stay, and in which order.

An atom may be labelled: the 64 of [12, 64] heads keeps a set of units of its own for each of the 12, and where the
outer factor lies on another axis of the tensor, as in the weight of a grouped convolution, one axis is indexed
differently along the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .axes import Algebra, Axis, Indices


@dataclass(frozen=True, slots=True)
class Kept:
    """Which units of an atom stay.

    Attributes:
        labels: Root atoms whose units the choice depends on, outermost first.
        rows: Of shape (outer, n): for each combination of units of the labels (in the unpruned network) the units
            that stay, in their new order.
    """

    labels: tuple[int, ...]
    rows: Indices


@dataclass(frozen=True, slots=True)
class Places:
    """Which positions of one axis of a tensor stay.

    Attributes:
        axis: Number of the axis.
        index: Of shape (n,); or of one dimension for each axis of the tensor, 1 where it does not matter, where the
            choice depends on the position along other axes (these are cut already).
    """

    axis: int
    index: Indices


class Slices:
    """How the tensors of a network are sliced under one selection; axes that recur are worked out once."""

    def __init__(self, algebra: Algebra, kept: Mapping[int, Kept]) -> None:
        """Take the algebra of the axes, and root atom -> which of its units stay."""
        self._algebra, self._kept = algebra, kept
        self._tables: dict[tuple[Axis, tuple[int, ...]], Indices] = {}

    def places(self, axes: Sequence[Axis]) -> list[Places]:
        """Return how to slice a tensor with these axes, step by step; axes that stay whole are left out.

        Raises:
            ValueError: A choice depends on an atom that no axis of the tensor has.
        """
        axes = [self._algebra.resolve(axis) for axis in axes]
        cut = {i: axis for i, axis in enumerate(axes) if any(leaf in self._kept for leaf in self._algebra.leaves(axis))}
        outside = {i: _labels_outside(self._algebra, axis, self._kept) for i, axis in cut.items()}
        steps: dict[int, Indices] = {}
        for i in sorted(cut, key=lambda i: bool(outside[i])):
            steps[i] = _spread(self._algebra, axes, i, self._table(cut[i], outside[i]), outside[i], steps)
        return [Places(i, index) for i, index in steps.items()]

    def _table(self, axis: Axis, outside: tuple[int, ...]) -> Indices:
        if (axis, outside) not in self._tables:
            self._tables[axis, outside] = positions(self._algebra, axis, self._kept, outside)
        return self._tables[axis, outside]


def positions(algebra: Algebra, axis: Axis, kept: Mapping[int, Kept], outside: Sequence[int] = ()) -> Indices:
    """Return which positions of one axis stay.

    Args:
        algebra: Where the axis belongs to.
        axis: An axis of integer size.
        kept: Root atom -> which of its units stay.
        outside: Labels that lie on other axes.

    Returns:
        Positions in their new order, of shape (combinations of units of the labels outside, n).
    """
    size = algebra.size(axis).count
    combinations = int(np.prod([algebra.size((label,)).count for label in outside], dtype=np.int64))
    moved = _Moved(algebra, axis, kept, outside, combinations).new_positions()
    width = int((moved[0] >= 0).sum())
    table = np.zeros((combinations, width), dtype=np.int64)
    for row, new in zip(table, moved, strict=True):
        stays = new >= 0
        row[new[stays]] = np.arange(size)[stays]
    return table


def _labels_outside(algebra: Algebra, axis: Axis, kept: Mapping[int, Kept]) -> tuple[int, ...]:
    leaves = set(algebra.leaves(axis))
    labels = [label for leaf in leaves if leaf in kept for label in kept[leaf].labels]
    return tuple(sorted(set(labels) - leaves))


def _spread(
    algebra: Algebra, axes: Sequence[Axis], i: int, table: Indices, outside: Sequence[int], done: Mapping[int, Indices]
) -> Indices:
    """Return the positions of axis `i`, spread along the axes that hold the labels outside."""
    if not outside:
        return table[0, :]
    row = np.zeros([1] * len(axes), dtype=np.int64)
    for label in outside:
        j = next((j for j, axis in enumerate(axes) if j != i and label in algebra.everywhere(axis)), None)
        if j is None:
            raise ValueError(f"Atom {label} labels others on axis {i}, but no other axis of the tensor has it.")
        units = algebra.owners(axes[j], label)
        if j in done:
            if done[j].ndim != 1:
                raise ValueError(f"Axis {j} labels axis {i}, so that its own positions must not depend on others.")
            units = units[done[j]]
        row = row * algebra.size((label,)).count + units.reshape([-1 if k == j else 1 for k in range(len(axes))])
    # `row` has length 1 along the axis itself; the positions take that place.
    index: Indices = np.squeeze(np.moveaxis(table[row], -1, i), axis=i + 1)
    return index


class _Moved:
    """Where each position of an axis goes; -1 where it does not stay."""

    def __init__(
        self, algebra: Algebra, axis: Axis, kept: Mapping[int, Kept], outside: Sequence[int], combinations: int
    ) -> None:
        self._algebra = algebra
        self._axis = axis
        self._kept = kept
        self._outside = tuple(outside)
        self._combinations = combinations
        leaves = set(algebra.leaves(axis))
        labels = {label for leaf in leaves if leaf in kept for label in kept[leaf].labels} & leaves
        self._units = {label: algebra.owners(axis, label) for label in labels}
        self._widths = {leaf: kept[leaf].rows.shape[1] for leaf in leaves if leaf in kept}
        self._ranks: dict[int, Indices] = {}

    def new_positions(self) -> Indices:
        """Return the new position of each old one, of shape (combinations, size)."""
        old = np.arange(self._algebra.size(self._axis).count, dtype=np.int64)
        return self._product(self._axis, old, old)

    def _product(self, axis: Axis, old: Indices, whole: Indices) -> Indices:
        """Move positions `old` of an axis that lies inside the whole one, there at positions `whole`."""
        terms = self._algebra.resolve(axis)
        new = np.zeros((self._combinations, len(old)), dtype=np.int64)
        gone = np.zeros_like(new, dtype=bool)
        inner = self._algebra.size(terms).count
        for term in terms:
            size = self._algebra.term_size(term).count
            inner //= size
            local = old // inner % size
            rank = self._atom(term, local, whole) if isinstance(term, int) else self._parts(term.parts, local, whole)
            gone |= rank < 0
            new = new * self._algebra.width((term,), self._widths).count + rank
        return np.where(gone, -1, new)

    def _parts(self, parts: Sequence[Axis], local: Indices, whole: Indices) -> Indices:
        new = np.full((self._combinations, len(local)), -1, dtype=np.int64)
        start = offset = 0
        for part in parts:
            size = self._algebra.size(part).count
            inside = (local >= start) & (local < start + size)
            moved = self._product(part, local[inside] - start, whole[inside])
            new[:, inside] = np.where(moved < 0, -1, moved + offset)
            start, offset = start + size, offset + self._algebra.width(part, self._widths).count
        return new

    def _atom(self, atom: int, local: Indices, whole: Indices) -> Indices:
        if atom not in self._kept:
            return np.broadcast_to(local, (self._combinations, len(local)))
        return self._rank(atom)[self._rows(self._kept[atom].labels, whole), local]

    def _rows(self, labels: Sequence[int], whole: Indices) -> Indices:
        """Return which row holds at each position, of shape (combinations, positions)."""
        sizes = [self._algebra.size((label,)).count for label in self._outside]
        combination = np.arange(self._combinations, dtype=np.int64)
        coordinates = dict(zip(self._outside, np.unravel_index(combination, sizes), strict=True)) if sizes else {}
        row = np.zeros((self._combinations, len(whole)), dtype=np.int64)
        for label in labels:
            units = self._units[label][whole][None, :] if label in self._units else coordinates[label][:, None]
            row = row * self._algebra.size((label,)).count + units
        return row

    def _rank(self, atom: int) -> Indices:
        """Return unit -> its new place for each row, or -1."""
        if atom not in self._ranks:
            rows = self._kept[atom].rows
            rank = np.full((len(rows), self._algebra.size((atom,)).count), -1, dtype=np.int64)
            np.put_along_axis(rank, rows, np.broadcast_to(np.arange(rows.shape[1]), rows.shape), axis=1)
            self._ranks[atom] = rank
        return self._ranks[atom]
