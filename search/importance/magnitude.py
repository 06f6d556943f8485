"""Magnitude: the squared L2 norm of everything that a unit's slices hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..graph import Blueprint, Dim
from ._base import Scores

Units = npt.NDArray[np.int64]


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
        weighed = _Weighed(blueprint, name, (value if value.dtype == torch.float64 else value.float()).square())
        for dim, axis in carried[name]:
            scores[dim.name] += weighed.score(dim, axis)
    return {dim.name: scores[dim.name].reshape(dim.outer, dim.size) for dim in blueprint.dims}


class _Weighed:
    """The squares of one parameter; what several of its dims need is worked out once."""

    def __init__(self, blueprint: Blueprint, name: str, squares: torch.Tensor) -> None:
        self._algebra, self._axes, self._squares = blueprint.algebra, blueprint.parameters[name], squares
        self._owners: dict[int, dict[int, Units]] = {}
        self._sums: dict[tuple[int, ...], npt.NDArray[np.float64]] = {}

    def score(self, dim: Dim, axis: int) -> npt.NDArray[np.float64]:
        """Return the score of each unit of a dim that lies on an axis, those of its sets one after the other."""
        place, needed = self._places(dim, axis)
        found = place >= 0
        totals = np.bincount(place[found], weights=self._sum(needed)[found], minlength=dim.outer * dim.size)
        return totals.astype(np.float64)

    def _places(self, dim: Dim, axis: int) -> tuple[Units, tuple[int, ...]]:
        """Return which score each element belongs to (-1: none), spread over the axes that decide it, and these."""
        where = {label: axis if label in self._units(axis) else self._axis_with(label) for label, _ in dim.labels}
        needed = tuple(sorted({axis, *where.values()}))

        def spread(units: Units, along: int) -> Units:
            return units.reshape([-1 if i == along else 1 for i in needed])

        unit = spread(self._units(axis)[dim.atom], axis)
        row = np.zeros_like(unit)
        for label, size in dim.labels:
            row = row * size + spread(self._units(where[label])[label], where[label])
        place = np.where(unit >= 0, row * dim.size + unit, -1)
        return np.broadcast_to(place, [self._squares.shape[i] for i in needed]), needed

    def _units(self, axis: int) -> dict[int, Units]:
        if axis not in self._owners:
            self._owners[axis] = self._algebra.all_owners(self._axes[axis])
        return self._owners[axis]

    def _sum(self, needed: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Return the squares, summed over all other axes."""
        if needed not in self._sums:
            rest = [i for i in range(self._squares.dim()) if i not in needed]
            sums = self._squares.sum(dim=rest, dtype=torch.float64) if rest else self._squares.double()
            self._sums[needed] = sums.cpu().numpy()
        return self._sums[needed]

    def _axis_with(self, label: int) -> int:
        return next(i for i, axis in enumerate(self._axes) if label in self._algebra.everywhere(axis))
