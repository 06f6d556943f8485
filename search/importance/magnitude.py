"""Magnitude: the squared L2 norm of everything that a unit's slices hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..graph import Blueprint, Dim
from ._base import Scores


def magnitude(blueprint: Blueprint) -> Scores:
    """Score each unit by the sum of squares of the elements of all parameters that carry it, each element once.

    Buffers, such as running statistics, do not count. Source: the group norm of DepGraph (Fang et al., CVPR 2023,
    section 3.3), summed over the coupled parameters.
    """
    scores = {dim.name: np.zeros(dim.outer * dim.size) for dim in blueprint.dims}
    carried: dict[str, list[tuple[Dim, int]]] = {}
    for dim in blueprint.dims:
        for name, axis in dim.carriers:
            carried.setdefault(name, []).append((dim, axis))
    parameters = dict(blueprint.trace.module.named_parameters())
    for name in (name for name in parameters if name in carried):
        # One parameter at a time: a network's squares all at once would weigh as much as the network.
        value = parameters[name].detach()
        squares = (value if value.dtype == torch.float64 else value.float()).square()
        for dim, axis in carried[name]:
            scores[dim.name] += _score(blueprint, dim, name, axis, squares)
    return {dim.name: scores[dim.name].reshape(dim.outer, dim.size) for dim in blueprint.dims}


def _score(blueprint: Blueprint, dim: Dim, name: str, axis: int, squares: torch.Tensor) -> npt.NDArray[np.float64]:
    place, needed = _places(blueprint, dim, name, axis)
    rest = [i for i in range(squares.dim()) if i not in needed]
    weights = (squares.sum(dim=rest, dtype=torch.float64) if rest else squares.double()).cpu().numpy()
    found = place >= 0
    totals = np.bincount(place[found], weights=weights[found], minlength=dim.outer * dim.size)
    return totals.astype(np.float64)


def _places(blueprint: Blueprint, dim: Dim, name: str, axis: int) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Return which score each element belongs to (-1: none), spread over the axes that decide it, and these axes."""
    algebra, axes = blueprint.algebra, blueprint.parameters[name]
    where = {label: axis if label in algebra.leaves(axes[axis]) else _axis_with(blueprint, name, label)
             for label, _ in dim.labels}  # fmt: skip
    needed = sorted({axis, *where.values()})

    def spread(units: npt.NDArray[np.int64], along: int) -> npt.NDArray[np.int64]:
        return units.reshape([-1 if i == along else 1 for i in needed])

    unit = spread(algebra.owners(axes[axis], dim.atom), axis)
    row = np.zeros_like(unit)
    for label, size in dim.labels:
        row = row * size + spread(algebra.owners(axes[where[label]], label), where[label])
    place = np.where(unit >= 0, row * dim.size + unit, -1)
    shape = [algebra.size(axes[i]).count for i in needed]
    return np.broadcast_to(place, shape), needed


def _axis_with(blueprint: Blueprint, name: str, label: int) -> int:
    axes = blueprint.parameters[name]
    return next(i for i, axis in enumerate(axes) if label in blueprint.algebra.everywhere(axis))
