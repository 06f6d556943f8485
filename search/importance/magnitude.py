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
    parameters = dict(blueprint.trace.module.named_parameters())
    return {dim.name: _score(blueprint, dim, parameters) for dim in blueprint.dims}


def _score(blueprint: Blueprint, dim: Dim, parameters: dict[str, torch.nn.Parameter]) -> npt.NDArray[np.float64]:
    scores = np.zeros(dim.size)
    for name, axis in dim.carriers:
        if name in parameters:
            squares = parameters[name].detach().double().square()
            line = squares.sum(dim=[i for i in range(squares.dim()) if i != axis]) if squares.dim() > 1 else squares
            owners = blueprint.algebra.owners(blueprint.parameters[name][axis], dim.atom)
            scores += np.bincount(owners[owners >= 0], weights=line.cpu().numpy()[owners >= 0], minlength=dim.size)
    return scores
