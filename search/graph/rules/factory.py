"""Operators that make tensors from sizes."""

from __future__ import annotations

from torch import fx

from ..axes import Axis
from ._base import Axes, Call


def filled(call: Call) -> list[Axes]:
    """Make a tensor of equal elements, whose sizes are literals and are written anew."""
    for name in call.tensors:
        call.take_all(name)
    out, literals = list[Axis](), list[Axis | None]()
    for entry, size in zip(call.arguments["size"], call.outputs[0], strict=True):
        known = not isinstance(entry, fx.Node)
        axis = call.algebra.atom(size, frozen=None if known else "its size comes from another tensor")
        out.append(axis)
        literals.append(axis if known else None)
    call.literals["size"] = literals
    return [out]


def numbered(call: Call) -> list[Axes]:
    """Make a tensor whose elements depend on their positions."""
    reason = f"{call.operator} ({call.node.name}) numbers positions"
    return [[call.fresh(size, reason) for size in call.outputs[0]]]
