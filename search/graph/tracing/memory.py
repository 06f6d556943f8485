"""Writes through views as values: a base is rebuilt from what was written, and later readers read the rebuilt one.

The graph is walked in program order, and each place of each memory keeps the node that holds its present content. A
write makes new ones for its place and for all that the place is part of; whatever else shows the memory is derived
anew where it is read.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx

from .calls import is_mutable, operator_name
from .survey import Place, survey
from .views import PARTS, remade, written_back
from .writes import written_value


def rebuild_written(graph: fx.Graph) -> None:
    """Replace writes by values, in every family of calls in which that is provably the same."""
    places = survey(graph)
    taken_at: dict[fx.Node, int] = {}
    idle = dict.fromkeys(node for node in graph.nodes if _copies_itself(node, places))
    for node in [node for node in graph.nodes if node not in idle]:
        read = [places[source] for source in node.all_input_nodes if source in places]
        if read:
            with graph.inserting_before(node):
                node.args, node.kwargs = fx.map_arg(
                    (node.args, dict(node.kwargs)), lambda n: _present(places[n]) if n in places else n
                )
        if read and operator_name(node) in PARTS:
            taken_at[node] = read[0].memory.version
        if node in places and is_mutable(node):
            # What was computed in a wider type is read as it was cast.
            places[_write(places[node], node)] = places[node]
        elif node in places:
            _note(places[node], node, taken_at)
    for node in reversed(idle):
        graph.erase_node(node)


def _copies_itself(node: fx.Node, places: Mapping[fx.Node, Place]) -> bool:
    """Tell whether a call copies a place to itself, as `x[:, 1:] += y` does after its addition."""
    if node not in places or operator_name(node) != "copy_":
        return False
    source = node.args[1]
    return isinstance(source, fx.Node) and places.get(source) is places[node]


def _present(place: Place) -> fx.Node:
    """Return the node that holds what a place holds now, made at the graph's insertion point where there is none."""
    stale = []
    current = place
    # Whatever holds a place now, something holds all that it is part of: the whole is always up to date.
    while current.version < current.memory.version and current.parent is not None:
        stale.append((current, current.parent))
        current = current.parent
    for old, parent in reversed(stale):
        old.value, old.version = remade(old.view, parent.value), place.memory.version
    return place.value


def _write(place: Place, node: fx.Node) -> fx.Node:
    """Turn a write into its value, which is returned, and rebuild what its place is part of."""
    graph = node.graph
    with graph.inserting_before(node):
        before = [_present(parent) for _, parent in place.chain()]
    value = written = written_value(node)
    place.memory.version += 1
    place.value, place.version = value, place.memory.version
    for (inner, outer), source in zip(place.chain(), before, strict=True):
        with graph.inserting_after(value):
            value = written_back(inner.view, source, value)
        outer.value, outer.version = value, place.memory.version
    return written


def _note(place: Place, node: fx.Node, taken_at: Mapping[fx.Node, int]) -> None:
    """Let a call of the graph hold its place, where it shows what is there now."""
    version = place.memory.version
    if operator_name(node) == "getitem" and taken_at.get(node.args[0], version) != version:  # type: ignore[arg-type]
        return
    if place.version < version:
        place.value, place.version = node, version
