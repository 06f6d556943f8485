"""Operators that act on each element alone, and their broadcasting."""

from __future__ import annotations

from ._base import Axes, Call


def pointwise(call: Call) -> list[Axes]:
    """Tie the axes of all tensor arguments from the last backwards, as broadcasting does; the output has them all."""
    return [call.broadcast([call.take_all(name) for name in call.tensors])]


def of_the_first(call: Call) -> list[Axes]:
    """Pass the axes of the first tensor; another one only lends its type or its device."""
    first, *others = call.tensors
    for name in others:
        call.take_all(name)
    return [call.take_all(first)]


def prelu(call: Call) -> list[Axes]:
    """Tie the channels of x (n, c, ...) to the slopes (c,), where there is more than one."""
    axes, slope = call.take_all("self"), call.take("weight", 0)
    if slope:
        call.tie(axes[1 if len(axes) > 1 else 0], slope)
    return [axes]


def gated(call: Call) -> list[Axes]:
    """Multiply the first half of an axis with a gate from the second half.

    Raises:
        ValueError: No boundary can lie in the middle.
    """
    axes = call.take_all("self")
    dim = int(call.arguments["dim"]) % len(axes)
    half = call.algebra.size(axes[dim]).count // 2
    parts = call.algebra.cut(axes[dim], half)
    if parts is None:
        raise ValueError("A gated axis has two halves.")
    call.tie(*parts)
    return [[*axes[:dim], parts[0], *axes[dim + 1 :]]]
