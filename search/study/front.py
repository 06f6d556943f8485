"""The Pareto front of (predicted latency, objective), both smaller is better."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Return the positions of the points that no other point beats, in order of the first value.

    A point is beaten by one that is no worse in both values and better in one. Of equal points the first stays.
    """
    order = sorted(range(len(points)), key=lambda index: (*points[index], index))
    front: list[int] = []
    for index in order:
        if not front or points[index][1] < points[front[-1]][1]:
            front.append(index)
    return tuple(front)
