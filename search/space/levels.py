"""Which of the widths on offer a table is built from."""

from __future__ import annotations

BUILD_LEVELS = 6
"""Widths of one dim that a table is built from, at most; those between are interpolated and marked so."""


def thinned(levels: tuple[int, ...], most: int = BUILD_LEVELS) -> tuple[int, ...]:
    """Return at most `most` of the levels, evenly spread, both ends among them."""
    if len(levels) <= most:
        return levels
    picks = {round(i * (len(levels) - 1) / (most - 1)) for i in range(most)}
    return tuple(levels[i] for i in sorted(picks))
