"""Matrix products with a weight."""

from __future__ import annotations

from ._base import Axes, Call


def linear(call: Call) -> list[Axes]:
    """Contract the last axis of x (..., i) with axis 1 of the weight (o, i); the output is (..., o)."""
    *outer, last = call.take_all("input")
    out = call.take("weight", 0)
    call.tie(last, call.take("weight", 1))
    if call.has("bias"):
        call.tie(out, call.take("bias", 0))
    return [[*outer, out]]
