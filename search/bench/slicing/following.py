"""Which axis of the blueprint a number in the file follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import onnx

from ...errors import ExportError
from ...graph import Axis, Candidate
from .matching import Match
from .readings import Readings

HOPS = 5
"""How far from a number, in nodes of the file, the axis that it follows is looked for."""


@dataclass(frozen=True, slots=True)
class Follows:
    """A number that is a multiple of an axis' size."""

    axis: Axis
    factor: Fraction = Fraction(1)


Rule = int | Follows
"""A number of the file: the same for every candidate, or one that follows the widths."""


class Solver:
    """Finds the axis behind numbers that were observed in several exports of different widths."""

    def __init__(
        self, graph: onnx.GraphProto, match: Match, readings: Readings, candidates: Sequence[Candidate]
    ) -> None:
        self._graph = graph
        self._match = match
        self._near, self._meaning = readings.near, readings.meaning
        self._sizes = readings.sizes(candidates)
        self._neighbours = _neighbours(graph)
        self._pools: dict[int, list[list[Axis]]] = {}

    def solve(self, observed: Sequence[int], index: int, what: str) -> Rule:
        """Return how a number at the node of this index follows the widths.

        Args:
            observed: The number in each of the exports.
            index: Position of the node in the file.
            what: The number's place, for messages.

        Raises:
            ExportError: No axis has these sizes.
        """
        values = tuple(int(value) for value in observed)
        if len(set(values)) == 1:
            return values[0]
        rule = self._exact(values, index) or self._multiple(values, index) or self._anywhere(values)
        if rule is None:
            node = self._graph.node[index]
            raise ExportError(
                f"To slice a file for timing, each of its numbers must follow an axis of the graph, but {what} of "
                f"{node.op_type} ({node.output[0]!r}) is {list(values)} at different widths, which no axis near it is. "
                "Keep the dims around that operator, or write its sizes as sizes of tensors."
            )
        return rule

    def _exact(self, values: tuple[int, ...], index: int) -> Follows | None:
        for pool in self._layers(index):
            for axis in pool:
                if self._sizes[axis] == values:
                    return Follows(axis)
        return None

    def _multiple(self, values: tuple[int, ...], index: int) -> Follows | None:
        layers = self._layers(index)
        for pool in layers:
            for axis in pool:
                if (factor := _factor(values, self._sizes[axis])) is not None:
                    return Follows(axis, factor)
        for pool in layers[:3]:
            for a, b in combinations(pool, 2):
                product = tuple(x * y for x, y in zip(self._sizes[a], self._sizes[b], strict=True))
                if (factor := _factor(values, product)) is not None:
                    return Follows(a + b, factor)
        return None

    def _anywhere(self, values: tuple[int, ...]) -> Follows | None:
        """Return the axis of the whole graph that has these sizes, or the only one that has a multiple of them."""
        exact = next((Follows(axis) for axis, sizes in self._sizes.items() if sizes == values), None)
        factors = ((axis, _factor(values, sizes)) for axis, sizes in self._sizes.items())
        found = [Follows(axis, factor) for axis, factor in factors if factor is not None]
        # What follows one dim only is a multiple of it under every candidate, whichever axis says so.
        meanings = {tuple(follows.factor * size for size in self._meaning(follows.axis)) for follows in found}
        return exact or (found[0] if len(meanings) == 1 else None)

    def _layers(self, index: int) -> list[list[Axis]]:
        if index not in self._pools:
            self._pools[index] = list(self._grow(index))
        return self._pools[index]

    def _grow(self, index: int) -> Iterator[list[Axis]]:
        """Yield the axes of the calls at a node, at its neighbours, and so on; each axis once."""
        reached, rim, seen = {index}, [index], dict[Axis, None]()
        for _ in range(HOPS):
            fresh: dict[Axis, None] = {}
            for at in rim:
                node = self._graph.node[at]
                for name in (*node.output, *node.input):
                    fresh |= dict.fromkeys(self._near.get(self._match.call.get(name, ""), ()))
            yield [axis for axis in fresh if axis not in seen]
            seen |= fresh
            rim = [n for at in rim for n in self._neighbours[at] if n not in reached]
            reached.update(rim)


def _factor(values: tuple[int, ...], sizes: tuple[int, ...]) -> Fraction | None:
    """Return the constant that takes `sizes` to `values`, if there is one."""
    if 0 in sizes:
        return None
    factor = Fraction(values[0], sizes[0])
    return factor if all(factor * size == value for value, size in zip(values, sizes, strict=True)) else None


def _neighbours(graph: onnx.GraphProto) -> Mapping[int, list[int]]:
    maker = {name: i for i, node in enumerate(graph.node) for name in node.output}
    found: dict[int, list[int]] = {i: [] for i in range(len(graph.node))}
    for i, node in enumerate(graph.node):
        for name in node.input:
            if name in maker:
                found[i].append(maker[name])
                found[maker[name]].append(i)
    return found
