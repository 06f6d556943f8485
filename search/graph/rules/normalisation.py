"""Normalisations whose statistics belong to single channels."""

from __future__ import annotations

from ._base import Axes, Call


def batch_norm(call: Call) -> list[Axes]:
    """Tie the channels of x (n, c, ...) to the scale, the shift and the running statistics, all (c,)."""
    axes = call.take_all("input")
    for name in ("weight", "bias", "running_mean", "running_var"):
        if call.has(name):
            call.tie(axes[1], call.take(name, 0))
    return [axes]
