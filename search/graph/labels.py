"""Which dims may keep another set of units for each head, group or other outer unit.

The 64 of [12, 64] heads may keep other units in each head, wherever the head only labels them: in every tensor that
carries the inner atom, the outer one is carried too, and no operator lets units of different heads meet. So the labels
of an atom are the atoms that stand outside it in a parameter and beside it in every tensor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from .axes import Algebra, Axis
from .findings import Flow
from .kept import Kept, Slices
from .rules import Axes


def labels_of(
    algebra: Algebra,
    free: Sequence[int],
    parameters: Mapping[str, Axes],
    tensors: Mapping[str, Sequence[Axes]],
    flows: Mapping[str, Flow],
) -> dict[int, tuple[int, ...]]:
    """Return the labels of each free atom, outermost first; empty where all outer units share one set.

    Args:
        algebra: The atoms.
        free: Root atoms that can be cut.
        parameters: Name -> axes.
        tensors: Node name -> axes of each of its outputs.
        flows: Node name -> what its rule said.
    """
    outside = _Outside(algebra)
    for axes in parameters.values():
        for axis in axes:
            outside.visit(axis, ())
    found = {atom: set(outside.of[atom]) for atom in free if atom in outside.of}
    beside = _Beside(algebra, found)
    for shared in [*parameters.values(), *(axes for outputs in tensors.values() for axes in outputs)]:
        beside.visit(shared)
    for flow in flows.values():
        for axis, other in flow.unlabelled:
            for atom in algebra.leaves(axis):
                if atom in found:
                    found[atom] -= set(algebra.leaves(other))
    for atom in found:
        found[atom] -= {label for label in found[atom] if atom in outside.of.get(label, {})}
    labels = {atom: tuple(sorted(found.get(atom, ()), key=outside.depth)) for atom in free}
    return _sliceable(algebra, labels, parameters)


def _sliceable(
    algebra: Algebra, labels: dict[int, tuple[int, ...]], parameters: Mapping[str, Axes]
) -> dict[int, tuple[int, ...]]:
    """Drop the labels of atoms whose parameters could not be sliced by them, step by step."""
    for axes in parameters.values():
        mine = [leaf for axis in axes for leaf in algebra.leaves(axis) if labels.get(leaf)]
        if not mine:
            continue
        sizes = {leaf: [algebra.size((label,)).count for label in labels[leaf]] for leaf in mine}
        kept = {leaf: Kept(labels[leaf], np.zeros((int(np.prod(sizes[leaf])), 1), dtype=np.int64)) for leaf in mine}
        try:
            Slices(algebra, kept).places(axes)
        except ValueError:
            labels |= dict.fromkeys(mine, ())
    return labels


class _Outside:
    """Which atoms stand outside others in a product, in some parameter."""

    def __init__(self, algebra: Algebra) -> None:
        self._algebra = algebra
        self.of: dict[int, dict[int, None]] = {}
        self._seen: set[tuple[Axis, tuple[int, ...]]] = set()

    def visit(self, axis: Axis, outer: tuple[int, ...]) -> None:
        """Note what stands outside each atom of an axis that itself lies inside `outer`."""
        terms = self._algebra.resolve(axis)
        if (terms, outer) in self._seen:
            return
        self._seen.add((terms, outer))
        for term in terms:
            if isinstance(term, int):
                if outer:
                    self.of.setdefault(term, {}).update(dict.fromkeys(outer))
                outer = (*outer, term)
            else:
                for part in term.parts:
                    self.visit(part, outer)
                outer = (*outer, *sorted(self._algebra.everywhere((term,))))

    def depth(self, atom: int) -> tuple[int, int]:
        """Return a sort key: outermost first."""
        return len(self.of.get(atom, {})), atom


class _Beside:
    """Take from the labels of each atom what some tensor that carries it does not have beside it."""

    def __init__(self, algebra: Algebra, found: dict[int, set[int]]) -> None:
        self._algebra = algebra
        self._found = found
        self._leaves: dict[Axis, frozenset[int]] = {}
        self._factors: dict[Axis, Counter[int]] = {}
        self._seen: set[tuple[Axis, ...]] = set()

    def visit(self, axes: Axes) -> None:
        """Meet with one tensor."""
        resolved = tuple(self._algebra.resolve(axis) for axis in axes)
        if resolved in self._seen:
            return
        self._seen.add(resolved)
        for i, axis in enumerate(resolved):
            if axis not in self._leaves:
                self._leaves[axis] = frozenset(self._algebra.leaves(axis)) & self._found.keys()
            if self._leaves[axis]:
                others = [self._count(other) for j, other in enumerate(resolved) if j != i]
                self._meet(axis, sum(others, Counter()), Counter())

    def _count(self, axis: Axis) -> Counter[int]:
        """Return of how many terms of an axis an atom is a factor everywhere."""
        if axis not in self._factors:
            self._factors[axis] = Counter(atom for term in axis for atom in self._algebra.everywhere((term,)))
        return self._factors[axis]

    def _meet(self, axis: Axis, elsewhere: Counter[int], around: Counter[int]) -> None:
        terms = self._algebra.resolve(axis)
        whole = around + self._count(terms)
        for term in terms:
            if not isinstance(term, int):
                beside = whole - self._count((term,))
                for part in term.parts:
                    self._meet(part, elsewhere, beside)
            elif term in self._found:
                self._found[term] &= _once(whole - Counter((term,)), elsewhere)


def _once(own: Counter[int], elsewhere: Counter[int]) -> set[int]:
    """Return what tells units apart: a factor of the same axis, or of one other; not one that is met twice."""
    return {atom for atom, count in (own + elsewhere).items() if (own[atom] or count) == 1}
