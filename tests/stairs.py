"""Stairs of a known quantum for all dims of a network, without a sweep."""

from __future__ import annotations

from hwprofiles import Interval
from latency_tables import Stairs
from search.graph import Blueprint


def staircase(size: int, quantum: int) -> Stairs:
    """Return the complete, exact stairs of a dim that is worked on in blocks of `quantum` units."""
    costs = {width: 1.0 + -(-width // quantum) for width in range(1, size + 1)}
    return Stairs("known", size, {width: Interval(cost, cost, cost) for width, cost in costs.items()})


def staircases(blueprint: Blueprint, quantum: int) -> dict[str, Stairs]:
    """Return dim name -> stairs of this quantum."""
    return {dim.name: staircase(dim.size, quantum) for dim in blueprint.dims}
