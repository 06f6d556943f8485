"""Which pieces' values meet: what arrives at a piece, and what is added or concatenated to its result."""

from __future__ import annotations

from collections import defaultdict

from torch import fx

from latency_tables import Neighbours

from .blueprint import Blueprint
from .pieces import piece_specs


def neighbours(blueprint: Blueprint) -> Neighbours:
    """Return the neighbours of the unpruned network's pieces; names are those of `piece_specs`.

    A piece's value is carried by its own result and by every call that computes on it, up to the next piece. Where
    blocks are removed, the pieces that are left meet no others than these.
    """
    names = {spec.node: spec.name for spec in piece_specs(blueprint)}
    carried: dict[fx.Node, frozenset[str]] = {}
    arriving: dict[str, frozenset[str]] = {}
    meeting: dict[str, set[str]] = defaultdict(set)
    for node in blueprint.graph.nodes:
        read = frozenset[str]().union(*(carried[source] for source in node.all_input_nodes))
        name = names.get(node.name)
        if name is not None:
            arriving[name] = read
        carried[node] = read if name is None else frozenset((name,))
        for piece in carried[node]:
            meeting[piece] |= carried[node]
    return Neighbours(arriving, {name: frozenset(met) for name, met in meeting.items()})
