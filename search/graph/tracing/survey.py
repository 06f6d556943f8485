"""Which memory each call of a graph shows, and which part of it; given up where anything is uncertain.

A **memory** is what one call allocated; a **place** is the whole of a memory, or a view of another place. Two calls
that take the same view of one place show the same place. Only families of calls in which something is written are
looked at, and a family is left out as a whole where one call in it cannot be placed: it comes from outside the graph,
its operator is not known to be a view, or a write cannot be expressed as a value or followed back to the whole.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from torch import fx

from .aliases import Families, may_share, storages
from .calls import is_mutable, operator_name, tensor_of
from .views import DROPOUTS, INVERSES, MAY_COPY, PARTS, can_be_remade
from .writes import is_expressible

_MAX_DEPTH = 32
"""Views of views that are followed: what a write costs is bounded, so that the whole stays linear in the graph."""

_MAX_COPIES = 8
"""Memories that may be one, depending on strides, that are compared with each other."""


@dataclass(eq=False, slots=True)
class Memory:
    """What one call allocated: where that call stands, when it is written to and last read, how often so far."""

    made: int
    family: fx.Node
    last_read: int = -1
    writes: list[int] = field(default_factory=list)
    copies: list[Memory] = field(default_factory=list)
    version: int = 0


@dataclass(eq=False, slots=True)
class Place:
    """A view of another place, or the whole of a memory, and the node that holds its content as of a version."""

    memory: Memory
    parent: Place | None
    view: fx.Node
    value: fx.Node
    depth: int = 0
    version: int = -1

    def chain(self) -> Iterator[tuple[Place, Place]]:
        """Yield each place on the way to the whole memory, with the one that it is a view of."""
        place = self
        while place.parent is not None:
            yield place, place.parent
            place = place.parent


def survey(graph: fx.Graph) -> dict[fx.Node, Place]:
    """Return the place of each call in the families that are written to and certain in every respect."""
    return _Survey(graph).run()


class _Survey:
    """One walk over a graph in program order."""

    def __init__(self, graph: fx.Graph) -> None:
        self.graph = graph
        self.families = Families(graph)
        self.order = {node: i for i, node in enumerate(graph.nodes)}
        self.written = {
            self.families.family(touched)
            for node in graph.nodes
            if is_mutable(node)
            for touched in (node, *node.all_input_nodes)
        }
        self.uncertain: set[fx.Node] = set()
        self.found: dict[fx.Node, Place] = {}
        self.several: dict[fx.Node, Place | None] = {}
        self.known: dict[tuple[Any, ...], Place] = {}
        self.storages: set[int] = set()

    def run(self) -> dict[fx.Node, Place]:
        for node in self.graph.nodes:
            if is_mutable(node):
                self._visit_write(node)
            elif self.families.family(node) in self.written:
                self._visit(node)
        self._compare_copies()
        return {n: place for n, place in self.found.items() if self.families.family(n) not in self.uncertain}

    def _visit(self, node: fx.Node) -> None:
        if isinstance(node.meta.get("val"), (list, tuple)):
            known = self._note_several(node)
        else:
            place = self._place(node)
            known = place is not None
            if place is not None:
                self._note(node, place)
        if not known:
            self.uncertain.add(self.families.family(node))

    def _visit_write(self, node: fx.Node) -> None:
        target = node.args[0] if node.args else None
        place = self.found.get(target) if isinstance(target, fx.Node) else None
        # `Place.depth` bounds the chain, so this stays linear.
        if (
            place is not None
            and is_expressible(node)
            and all(operator_name(inner.view) in INVERSES for inner, _ in place.chain())
        ):
            place.memory.writes.append(self.order[node])
            self._note(node, place)
        else:
            self.uncertain |= {self.families.family(touched) for touched in (node, *node.all_input_nodes)}

    def _note(self, node: fx.Node, place: Place) -> None:
        self.found[node] = place
        self.storages.update(storages(node))
        place.memory.last_read = max([place.memory.last_read, *(self.order[user] for user in node.users)])

    def _note_several(self, node: fx.Node) -> bool:
        """Note a call that returns several tensors; tell whether each of them can be placed."""
        sources = may_share(node)
        source = self.found.get(sources[0]) if sources else None
        if sources and (source is None or operator_name(node) not in PARTS):
            return False
        self.several[node] = source
        return all(operator_name(user) == "getitem" and isinstance(user.args[1], int) for user in node.users)

    def _place(self, node: fx.Node) -> Place | None:
        sources, operator = may_share(node), operator_name(node)
        if node.op != "call_function" or tensor_of(node) is None:
            return None
        if operator == "getitem":
            return self._part(node)
        if not sources:
            return self._new(node)
        source = self.found.get(sources[0])
        if source is None or sources[0] is not node.args[0] or (len(sources) > 1 and operator != "type_as"):
            return None
        same = set(storages(node)) == set(storages(sources[0]))
        if operator in DROPOUTS or (operator in MAY_COPY and not same):
            return self._copy(node, source)
        return self._view(node, source, node.target, node.args[1:]) if same and can_be_remade(node) else None

    def _part(self, node: fx.Node) -> Place | None:
        several, index = node.args
        if several not in self.several:
            return None
        source = self.several[several]  # type: ignore[index]
        if source is None:
            return self._new(node)
        return self._view(node, source, several.target, (*several.args[1:], index))  # type: ignore[union-attr]

    def _new(self, node: fx.Node) -> Place | None:
        """Place a call that allocates; None where its memory is known already, so that it does not."""
        if not self.storages.isdisjoint(storages(node)):
            return None
        return Place(Memory(self.order[node], self.families.family(node)), None, node, node)

    def _copy(self, node: fx.Node, source: Place) -> Place | None:
        """Place a call that copied here, but which returns its argument for other strides (or in eval mode)."""
        made = Place(Memory(self.order[node], self.families.family(node)), None, node, node)
        if node.meta["val"].dtype == source.value.meta["val"].dtype:
            made.memory.copies.append(source.memory)
            source.memory.copies.append(made.memory)
        return made

    def _view(self, node: fx.Node, source: Place, *how: Any) -> Place | None:
        key = (source, *_hashable(how), _hashable(list(node.kwargs.items())))
        if key not in self.known:
            if source.depth >= _MAX_DEPTH:
                return None
            self.known[key] = Place(source.memory, source, node, node, source.depth + 1)
        return self.known[key]

    def _compare_copies(self) -> None:
        """Give up on memories that may be one, where it would matter whether they are."""
        done: set[Memory] = set()
        for place in self.found.values():
            if place.memory.copies and place.memory not in done:
                group = _connected(place.memory)
                done.update(group)
                if len(group) > _MAX_COPIES or any(_interfere(a, b) for a, b in combinations(group, 2)):
                    self.uncertain.add(place.memory.family)


def _connected(memory: Memory) -> list[Memory]:
    group, pending = {memory: None}, [memory]
    while pending:
        for other in pending.pop().copies:
            if other not in group:
                group[other] = None
                pending.append(other)
    return list(group)


def _interfere(a: Memory, b: Memory) -> bool:
    """Tell whether one memory is read after a write to the other, once both are there."""
    return _read_after_write(a, b) or _read_after_write(b, a)


def _read_after_write(written: Memory, read: Memory) -> bool:
    first = bisect_right(written.writes, max(written.made, read.made))
    return first < len(written.writes) and written.writes[first] < read.last_read


def _hashable(value: Any) -> Any:
    return tuple(_hashable(item) for item in value) if isinstance(value, (list, tuple)) else value
