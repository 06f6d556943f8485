"""Pooling and means over spatial axes: channels pass, what is reduced cannot be cut."""

from __future__ import annotations

from ._base import Axes, Call


def pool2d(call: Call) -> list[Axes]:
    """Pass all but the last two axes of x (..., h, w); the output's last two are new spatial axes."""
    outer = [call.take("self", i) for i in range(call.rank("self") - 2)]
    return [[*outer, *(call.fresh(size, "a spatial axis") for size in call.outputs[0][-2:])]]


def mean(call: Call) -> list[Axes]:
    """Pass the axes that are not averaged; those that are stay untaken, so the harness freezes them."""
    rank = call.rank("self")
    reduced = {d % rank for d in call.arguments["dim"] or range(rank)}
    keepdim = bool(call.arguments["keepdim"])
    return [[() if i in reduced else call.take("self", i) for i in range(rank) if keepdim or i not in reduced]]
