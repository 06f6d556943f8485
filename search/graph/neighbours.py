"""Which units' values meet: what arrives at a unit, and what is added or concatenated to its result."""

from __future__ import annotations

from collections import defaultdict

from torch import fx

from latency_tables import Neighbours

from .blueprint import Blueprint
from .keys import unit_specs


def neighbours(blueprint: Blueprint) -> Neighbours:
    """Return the neighbours of the unpruned network's units; names are those of `unit_specs`.

    A unit's value is carried by its own result and by every call that computes on it, up to the next unit. Where
    blocks are removed, the units that are left meet no others than these.
    """
    names = {spec.node: spec.name for spec in unit_specs(blueprint)}
    carried: dict[fx.Node, frozenset[str]] = {}
    arriving: dict[str, frozenset[str]] = {}
    meeting: dict[str, set[str]] = defaultdict(set)
    for node in blueprint.graph.nodes:
        read = frozenset[str]().union(*(carried[source] for source in node.all_input_nodes))
        name = names.get(node.name)
        if name is not None:
            arriving[name] = read
        carried[node] = read if name is None else frozenset((name,))
        for unit in carried[node]:
            meeting[unit] |= carried[node]
    return Neighbours(arriving, {name: frozenset(met) for name, met in meeting.items()})
