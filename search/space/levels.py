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
    roots = [levels[0] ** 0.5 + (levels[-1] ** 0.5 - levels[0] ** 0.5) * i / (most - 1) for i in range(most)]
    picks: list[int] = []
    for place, root in enumerate(roots):
        nearest = min(range(len(levels)), key=lambda i: (abs(levels[i] - root**2), i))
        # Above the last pick, and low enough that as many levels are left as are still to be picked.
        lowest = picks[-1] + 1 if picks else 0
        picks.append(min(max(nearest, lowest), len(levels) - most + place))
    return tuple(levels[i] for i in picks)
