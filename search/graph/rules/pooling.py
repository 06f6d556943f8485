"""Pooling and resizing: channels pass, spatial axes become new ones."""

from __future__ import annotations

from ._base import SPATIAL, Axes, Call


def spatial(call: Call) -> list[Axes]:
    """Pass the axes of x (n, c, ...) before the spatial ones, whose number is in the operator's name.

    A maximum may come with the positions at which it was found.
    """
    (name, *_) = call.tensors
    count = int(next(c for c in call.operator if c in "123"))
    outer = [call.take(name, i) for i in range(call.rank(name) - count)]
    return [[*outer, *(call.fresh(size, SPATIAL) for size in shape[-count:])] for shape in call.outputs]
