"""Operators that trade channels against space, and those that cut space into patches."""

from __future__ import annotations

from ..sizes import Size
from ._base import SPATIAL, Axes, Call


def pixel_shuffle(call: Call) -> list[Axes]:
    """Read the channels of x (..., c r r, h, w) as [c, r, r]: (..., c, h r, w r)."""
    *outer, channels, _, _ = call.take_all("self", but=[call.rank("self") - 2, call.rank("self") - 1])
    kept = call.algebra.atom(call.outputs[0][-3])
    factor = int(call.arguments["upscale_factor"])
    call.tie(channels, kept + call.fresh(Size(factor), SPATIAL) + call.fresh(Size(factor), SPATIAL))
    return [[*outer, kept, *(call.fresh(size, SPATIAL) for size in call.outputs[0][-2:])]]


def pixel_unshuffle(call: Call) -> list[Axes]:
    """Read x (..., c, h r, w r) as (..., [c, r, r], h, w)."""
    *outer, channels, _, _ = call.take_all("self", but=[call.rank("self") - 2, call.rank("self") - 1])
    factor = Size(int(call.arguments["downscale_factor"]))
    merged = channels + call.fresh(factor, SPATIAL) + call.fresh(factor, SPATIAL)
    return [[*outer, merged, *(call.fresh(size, SPATIAL) for size in call.outputs[0][-2:])]]


def channel_shuffle(call: Call) -> list[Axes]:
    """Read the channels of x (n, c, ...) as [g, k] and write them as [k, g]."""
    axes, groups = call.take_all("self"), int(call.arguments["groups"])
    group, inner = call.algebra.atom(groups), call.algebra.size(axes[1]).over(Size(groups))
    if inner is None:
        raise ValueError(f"{groups} groups divide the channels.")
    each = call.algebra.atom(inner)
    call.tie(axes[1], group + each)
    call.literals["groups"] = group
    return [[axes[0], each + group, *axes[2:]]]


def im2col(call: Call) -> list[Axes]:
    """Lay the patches of x (n, c, h, w) out: (n, [c, kernel], patches)."""
    kernel = call.outputs[0][1].over(call.algebra.size(call.tensors["self"][1]))
    if kernel is None:
        raise ValueError("A patch has all channels.")
    patches = call.fresh(call.outputs[0][2], SPATIAL)
    return [[call.take("self", 0), call.take("self", 1) + call.fresh(kernel, SPATIAL), patches]]


def col2im(call: Call) -> list[Axes]:
    """Add patches (n, [c, kernel], patches) up where they overlap: (n, c, h, w)."""
    kept = call.algebra.atom(call.outputs[0][1])
    kernel = call.algebra.size(call.tensors["self"][1]).over(call.outputs[0][1])
    if kernel is None:
        raise ValueError("A patch has all channels.")
    call.tie(call.take("self", 1), kept + call.fresh(kernel, SPATIAL))
    return [[call.take("self", 0), kept, *(call.fresh(size, SPATIAL) for size in call.outputs[0][2:])]]


def windows(call: Call) -> list[Axes]:
    """Cut one axis into windows, whose positions become the last axis; the others pass."""
    dim = int(call.arguments["dimension"]) % call.rank("self")
    axes = call.take_all("self", but=[dim])
    axes[dim] = call.fresh(call.outputs[0][dim], SPATIAL)
    return [[*axes, call.fresh(call.outputs[0][-1], SPATIAL)]]
