"""Which of the widths on offer a table is built from."""

from __future__ import annotations

BUILD_LEVELS = 6
"""Widths of one dim that a table is built from, at most; those between are interpolated and marked so."""


def thinned(levels: tuple[int, ...], most: int = BUILD_LEVELS) -> tuple[int, ...]:
    """Return at most `most` of the levels, both ends among them, closer together where they are small.

    Evenly spread on square roots: what lies between is interpolated, and a step from 32 to 128 channels changes more
    than one from 416 to 512.
    """
    if len(levels) <= most:
        return levels
    wanted = [(levels[0] ** 0.5 + (levels[-1] ** 0.5 - levels[0] ** 0.5) * i / (most - 1)) ** 2 for i in range(most)]
    return tuple(sorted({min(levels, key=lambda level: (abs(level - width), level)) for width in wanted}))
