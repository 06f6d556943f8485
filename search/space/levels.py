"""Which widths of a dim are on offer: tread edges, as far as the runtime's block of channels tells them."""

from __future__ import annotations

from math import ceil

MOST_LEVELS = 16
"""Widths on offer for one dim, at most."""

BUILD_LEVELS = 6
"""Widths of one dim that a table is built from, at most; those between are interpolated and marked so."""


def width_levels(size: int, quantum: int, most: int = MOST_LEVELS) -> tuple[int, ...]:
    """Return increasing widths up to the full size: multiples of the runtime's quantum, at most `most`.

    A runtime that works on blocks of `quantum` channels gains nothing from widths between their multiples, and may
    lose much (odd widths leave the blocked layout). A dim of at most one block has nothing on offer but its size.

    Args:
        size: Units in the unpruned network.
        quantum: Channels in one block of the runtime.
        most: Most levels to return, at least 2.
    """
    if size < 1 or quantum < 1 or most < 2:
        raise ValueError(f"size >= 1, quantum >= 1 and most >= 2 must hold, but got {size=}, {quantum=}, {most=}.")
    step = quantum * max(1, ceil(size / quantum / most))
    return (*range(step, size, step), size)


def thinned(levels: tuple[int, ...], most: int = BUILD_LEVELS) -> tuple[int, ...]:
    """Return at most `most` of the levels, both ends among them, closer together where they are small.

    Evenly spread on square roots: what lies between is interpolated, and a step from 32 to 128 channels changes more
    than one from 416 to 512.
    """
    if len(levels) <= most:
        return levels
    wanted = [
        (levels[0] ** 0.5 + (levels[-1] ** 0.5 - levels[0] ** 0.5) * i / (most - 1)) ** 2 for i in range(most)
    ]
    return tuple(sorted({min(levels, key=lambda level: (abs(level - width), level)) for width in wanted}))
