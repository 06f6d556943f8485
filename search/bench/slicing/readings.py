"""Sizes that may stand near a call: its axes, their factors, their parts, and what is before a cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from torch import fx

from ...graph import Axis, Blueprint, Candidate
from ...graph.axes import Concat

PROBES = 6
"""Random assignments of widths by which two axes are told to be one and the same."""


class Readings:
    """The axes of a blueprint as functions of the widths.

    Attributes:
        near: Node name -> axes that a size in its neighbourhood may follow, the call's own first.
    """

    def __init__(self, blueprint: Blueprint, rng: np.random.Generator) -> None:
        self._blueprint = blueprint
        sizes = {dim.atom: dim.size for dim in blueprint.dims}
        # Larger than any dim and all different: equal sizes under these are no accident.
        self._probes = [{atom: int(rng.integers(1000, 100_000)) for atom in sizes} for _ in range(PROBES)]
        self._expanded: dict[Axis, tuple[Axis, ...]] = {}
        self._meaning: dict[Axis, tuple[int, ...]] = {}
        self.near = {node.name: self._pool(node) for node in blueprint.graph.nodes if node.op != "output"}

    def meaning(self, axis: Axis) -> tuple[int, ...]:
        """Return what is equal for two axes just where they have the same size under every candidate."""
        if axis not in self._meaning:
            width = self._blueprint.algebra.width
            self._meaning[axis] = tuple(width(axis, probe).count for probe in self._probes)
        return self._meaning[axis]

    def sizes(self, candidates: Sequence[Candidate]) -> Mapping[Axis, tuple[int, ...]]:
        """Return for each axis its sizes under some candidates (the batch counts as 1)."""
        width = self._blueprint.algebra.width
        widths = [self._blueprint.widths(candidate) for candidate in candidates]
        axes = {axis for pool in self.near.values() for axis in pool}
        return {axis: tuple(width(axis, each).count for each in widths) for axis in axes}

    def collisions(self, candidates: Sequence[Candidate]) -> int:
        """Count the axes that have a different neighbour of equal sizes under all of these candidates."""
        sizes, count = self.sizes(candidates), 0
        for pool in set(self.near.values()):
            seen: dict[tuple[int, ...], tuple[int, ...]] = {}
            for axis in pool:
                count += seen.setdefault(sizes[axis], self.meaning(axis)) != self.meaning(axis)
        return count

    def _pool(self, node: fx.Node) -> tuple[Axis, ...]:
        found: dict[tuple[int, ...], Axis] = {}
        for axis in self._axes(node):
            for reading in self._readings(self._blueprint.algebra.resolve(axis)):
                found.setdefault(self.meaning(reading), reading)
        # What has one size under all assignments is no use: it is written in the file as it is.
        return tuple(axis for meaning, axis in found.items() if len(set(meaning)) > 1)

    def _axes(self, node: fx.Node) -> Iterator[Axis]:
        flow = self._blueprint.flows.get(node.name)
        for literal in flow.literals.values() if flow is not None else ():
            entries = literal if isinstance(literal, list) else [literal]
            yield from (entry for entry in entries if entry is not None)
        for each in (node, *node.all_input_nodes):
            for axes in self._blueprint.axes.get(each.name, ()):
                yield from axes
            if each.op == "get_attr":
                yield from self._blueprint.parameters.get(str(each.target), ())
        yield from flow.groupings if flow is not None else ()

    def _readings(self, axis: Axis) -> tuple[Axis, ...]:
        if axis not in self._expanded:
            self._expanded[axis] = tuple(_readings(axis))
        return self._expanded[axis]


def _readings(axis: Axis) -> Iterator[Axis]:
    """Yield an axis, its stretches of factors, and of concatenations the parts and what lies before or behind a cut."""
    yield axis
    for length in range(len(axis) - 1, 0, -1):
        for start in range(len(axis) - length + 1):
            yield axis[start : start + length]
    for i, term in enumerate(axis):
        if isinstance(term, Concat):
            parts = term.parts
            for cut in range(1, len(parts)):
                for some in (parts[:cut], parts[cut:], parts[cut : cut + 1], parts[:1]):
                    inner = some[0] if len(some) == 1 else (Concat(some),)
                    yield (*axis[:i], *inner, *axis[i + 1 :])
                    yield from _factors(inner)


def _factors(axis: Axis) -> Iterator[Axis]:
    if len(axis) > 1:
        yield from ((term,) for term in axis)
