"""Operators that act on each element alone, and their broadcasting."""

from __future__ import annotations

from ..axes import ONE, Axis
from ._base import Axes, Call


def pointwise(call: Call) -> list[Axes]:
    """Tie the axes of all tensor arguments from the last backwards, as broadcasting does; the output has them all."""
    names = list(call.tensors)
    rank = max(call.rank(name) for name in names)
    axes: list[Axis] = []
    for back in range(rank, 0, -1):
        present = [call.take(name, -back) for name in names if call.rank(name) >= back]
        wide = [axis for axis in present if call.algebra.size(axis) != ONE]
        axes.append(call.tie(*wide) if wide else ())
    return [axes]
