"""Divide a network's time among its pieces by what the runtime's own profile says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwprofiles import NodeTime

from ..journal import PieceNodes


@dataclass(frozen=True, slots=True)
class Shares:
    """Say which part of a network's time each piece takes.

    Attributes:
        pieces: Piece name -> share of the network's time; the shares sum to 1. A piece that no node of the runtime
            belongs to is absent: its time is unknown, not zero. Empty where the runtime gives no times at all.
        seconds: Piece name -> profiled seconds of its nodes; absent as in `pieces`.
        operators: Piece name -> the runtime's operators of its nodes, in order; absent as in `pieces`.
        hit_rate: Share of the pieces that some node belongs to.
        loose: Share of the profiled time in nodes that belong to no piece, such as layout reorders.
    """

    pieces: Mapping[str, float]
    seconds: Mapping[str, float]
    operators: Mapping[str, tuple[str, ...]]
    hit_rate: float
    loose: float


def attribute(pieces: PieceNodes, nodes: Sequence[NodeTime]) -> Shares:
    """Give each piece the time of its nodes, as shares of the network's time.

    Profiled seconds are longer than real ones, so only their proportions are used. The time of nodes that belong
    to no piece (reorders between layouts, constants, casts) is spread over the pieces in proportion to their own:
    the shares sum to 1, and their sum times the network's time is the network's time.

    Args:
        pieces: Piece name -> key, names of the values that its nodes produce.
        nodes: The runtime's node times; a node's name is the name of the value it produces.
    """
    owner = {value: name for name, (_, values) in pieces.items() for value in values}
    own: dict[str, float] = {}
    operators: dict[str, tuple[str, ...]] = {}
    loose = 0.0
    for node in nodes:
        name = owner.get(node.name)
        if name is None:
            loose += node.seconds
        else:
            own[name] = own.get(name, 0.0) + node.seconds
            operators[name] = (*operators.get(name, ()), node.operator)
    total = math.fsum(own.values())
    hit_rate = len(own) / len(pieces) if pieces else 0.0
    if total <= 0:
        return Shares({}, {}, operators, hit_rate, 1.0 if loose > 0 else 0.0)
    shares = {name: seconds / total for name, seconds in own.items()}
    return Shares(shares, own, operators, hit_rate, loose / (loose + total))
