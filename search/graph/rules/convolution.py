"""Convolutions: channels are tied to the weight's axes, kernel and spatial axes are not cut."""

from __future__ import annotations

from ..axes import Axis, Size
from ._base import SPATIAL, Axes, Call

KERNEL = "a kernel axis"
"""Reason that marks the axes which no network can be cut along."""


def convolution(call: Call) -> list[Axes]:
    """Tie x (n, c, ...) to the weight (o, c / groups, ...) and the bias (o,); the output is (n, o, ...).

    With g groups the input axis is [g, c / g] and the weight's axis 0 is [g, o / g]. The group count is a literal of
    the call; it is written anew from the axis g.
    """
    channels, out, inner = call.take("input", 1), call.take("weight", 0), call.take("weight", 1)
    group = _group(call, call.algebra.size(inner))
    call.tie(channels, group + inner)
    each = call.algebra.size(out).over(call.algebra.size(group))
    within = out
    if group and each is not None:
        within = call.algebra.atom(each)
        call.tie(out, group + within)
    call.contracts(inner, within, call.take("input", 0))
    return _output(call, out)


def transposed_convolution(call: Call) -> list[Axes]:
    """Tie x (n, c, ...) to the weight (c, o / groups, ...) and the bias (o,); the output is (n, o, ...).

    With g groups the weight's axis 0 is [g, c / g] and the output axis is [g, o / g].
    """
    channels, whole, inner = call.take("input", 1), call.take("weight", 0), call.take("weight", 1)
    call.tie(channels, whole)
    each = call.algebra.size(whole).over(Size(int(call.arguments["groups"])))
    if each is None:
        raise ValueError(f"Groups divide the input channels {call.algebra.size(whole)}.")
    group = _group(call, each)
    contracted = whole
    if group:
        contracted = call.algebra.atom(each)
        call.tie(whole, group + contracted)
    call.contracts(contracted, inner, call.take("input", 0))
    return _output(call, group + inner)


def _group(call: Call, inputs: Size) -> Axis:
    """Return the axis that counts the groups of so many inputs each (empty for one group).

    Where each has one input, as in a depthwise convolution, they are the channels and no groups.
    """
    groups = int(call.arguments["groups"])
    if groups == 1:
        return ()
    group = call.algebra.atom(groups)
    call.literals["groups"] = group
    if inputs != Size(1):
        call.groupings.append(group)
    return group


def _output(call: Call, out: Axis) -> list[Axes]:
    if call.has("bias"):
        call.tie(out, call.take("bias", 0))
    for i in range(2, call.rank("weight")):
        call.algebra.freeze(call.take("weight", i), KERNEL)
    spatial = [call.fresh(size, SPATIAL) for size in call.outputs[0][2:]]
    return [[call.take("input", 0), out, *spatial]]
