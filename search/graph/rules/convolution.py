"""Convolutions: channels are tied to the weight's axes, kernel and spatial axes are not cut."""

from __future__ import annotations

from ..axes import Axis, Size
from ._base import Axes, Call

KERNEL = "a kernel axis"
"""Reason that marks the axes which no network can be cut along."""


def convolution(call: Call) -> list[Axes]:
    """Tie x (n, c, ...) to the weight (o, c / groups, ...) and the bias (o,); the output is (n, o, ...).

    With g groups the input axis is [g, c / g] and the weight's axis 0 is [g, o / g]. The group count is a literal of
    the call; it is written anew from the axis g.
    """
    groups = int(call.arguments["groups"])
    channels, out, inner = call.take("input", 1), call.take("weight", 0), call.take("weight", 1)
    if groups == 1:
        call.tie(channels, inner)
    else:
        group = _groups(call, channels, out, inner, groups)
        call.literals["groups"] = group
    if call.has("bias"):
        call.tie(out, call.take("bias", 0))
    for i in range(2, call.rank("weight")):
        call.algebra.freeze(call.take("weight", i), KERNEL)
    spatial = [call.fresh(size, "a spatial axis") for size in call.outputs[0][2:]]
    return [[call.take("input", 0), out, *spatial]]


def _groups(call: Call, channels: Axis, out: Axis, inner: Axis, groups: int) -> Axis:
    group = call.algebra.atom(groups)
    each = call.algebra.size(out).over(Size(groups))
    if each is None:
        raise ValueError(f"{groups} groups must divide the output channels {call.algebra.size(out)}.")
    call.tie(channels, group + inner)
    call.tie(out, group + call.algebra.atom(each))
    return group
