"""Operators that only rearrange: the product of the axes stays."""

from __future__ import annotations

from ._base import Axes, Call


def flatten(call: Call) -> list[Axes]:
    """Read x's axes `start_dim` to `end_dim` as one; no literal depends on a width."""
    return [_regroup(call)]


def reshape(call: Call) -> list[Axes]:
    """Read x's axes in the output's sizes, which are literals of the call and are written anew from the axes."""
    axes = _regroup(call)
    call.literals["shape" if "shape" in call.arguments else "size"] = axes
    return [axes]


def _regroup(call: Call) -> Axes:
    source = call.take_all("self")
    return call.algebra.regroup(source, call.outputs[0], f"{call.node.name} regroups across what cannot be split")
