"""Normalisations: per channel, over the last axes, over groups of channels."""

from __future__ import annotations

from ..axes import Axis
from ..sizes import Size
from ._base import Axes, Call


def batch_norm(call: Call) -> list[Axes]:
    """Tie the channels of x (n, c, ...) to the scale, the shift and the running statistics, all (c,).

    What does not use the running statistics takes those of the batch, over all axes but the channels; or those of each
    instance.
    """
    axes = call.take_all("input")
    for name in ("weight", "bias", "running_mean", "running_var"):
        if call.has(name):
            call.tie(axes[1], call.take(name, 0))
    if call.arguments.get("training"):
        call.mixes(axes, [0, *range(2, len(axes))])
    if call.arguments.get("use_input_stats"):
        call.mixes(axes, range(2, len(axes)))
    return [axes]


def layer_norm(call: Call) -> list[Axes]:
    """Normalise over the last axes, which the scale and the shift share; their sizes are a literal."""
    axes = call.take_all("input")
    count = len(call.arguments["normalized_shape"])
    for name in ("weight", "bias"):
        if call.has(name):
            for axis, own in zip(axes[-count:], call.take_all(name), strict=True):
                call.tie(axis, own)
    call.mixes(axes, range(len(axes) - count, len(axes)))
    call.literals["normalized_shape"] = list(axes[-count:])
    return [axes]


def group_norm(call: Call) -> list[Axes]:
    """Normalise x (n, c, ...) over each of g groups of channels, c = [g, c / g], and over space."""
    axes, groups = call.take_all("input"), int(call.arguments["num_groups"])
    group: Axis = call.algebra.atom(groups)
    inner = axes[1]
    if group:
        each = call.algebra.size(axes[1]).over(Size(groups))
        if each is None:
            raise ValueError(f"{groups} groups divide the channels {call.algebra.size(axes[1])}.")
        inner = call.algebra.atom(each)
        call.tie(axes[1], group + inner)
        call.literals["num_groups"] = group
        if inner:
            call.groupings.append(group)
    for name in ("weight", "bias"):
        if call.has(name):
            call.tie(axes[1], call.take(name, 0))
    call.mixes([axes[0], group, inner, *axes[2:]], range(2, len(axes) + 1))
    return [axes]
