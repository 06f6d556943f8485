"""Convolutions: channels are tied to the weight's axes, kernel and spatial axes are not cut."""

from __future__ import annotations

from collections.abc import Mapping

from ..axes import Axis
from ..sizes import Size
from ._base import SPATIAL, Axes, Call

KERNEL = "a kernel axis"
"""Reason that marks the axes which no network can be cut along."""


def convolution(call: Call) -> list[Axes]:
    """Tie x (n, c, ...) to the weight (o, c / groups, ...) and the bias (o,); the output is (n, o, ...).

    With g groups the input axis is [g, c / g] and the weight's axis 0 is [g, o / g]. The group count is a literal of
    the call; it is written anew from the axis g. Along space neighbours meet, so that their axes stay; but not where
    the kernel has one position, and there the axis passes.
    """
    channels, out, inner = call.take("input", 1), call.take("weight", 0), call.take("weight", 1)
    group = _group(call, call.algebra.size(inner))
    call.tie(channels, group + inner)
    each = call.algebra.size(out).over(call.algebra.size(group))
    within = out
    if group and each is not None:
        within = call.algebra.atom(each)
        call.tie(out, group + within)
    passing = {i: call.take("input", i) for i in range(2, call.rank("weight")) if _looks_at_one(call, i)}
    call.contracts(inner, within, call.take("input", 0), *passing.values())
    return _output(call, out, passing)


def _looks_at_one(call: Call, axis: int) -> bool:
    """Tell whether each position of an axis of space is computed from the same one alone."""
    stride, padding = (_along(call.arguments.get(name), axis - 2) for name in ("stride", "padding"))
    is_one = call.algebra.size(call.tensors["weight"][axis]) == Size(1)
    return is_one and stride == 1 and padding in (0, "valid", "same")


def _along(value: object, axis: int) -> object:
    """Return what an argument says of an axis of space: it is one number for all of them, or one for each."""
    return (value[axis] if len(value) > 1 else value[0]) if isinstance(value, list | tuple) else value


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
    return _output(call, group + inner, {})


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


def _output(call: Call, out: Axis, passing: Mapping[int, Axis]) -> list[Axes]:
    if call.has("bias"):
        call.tie(out, call.take("bias", 0))
    for i in range(2, call.rank("weight")):
        call.algebra.freeze(call.take("weight", i), KERNEL)
    spatial = [passing.get(i, call.fresh(size, SPATIAL)) for i, size in enumerate(call.outputs[0][2:], 2)]
    return [[call.take("input", 0), out, *spatial]]
