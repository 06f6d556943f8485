"""From sizes to units: which ones stay."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np

from ..graph import Blueprint, Candidate, Selection
from ._base import Criterion, Scores
from .magnitude import magnitude

CRITERIA: dict[str, Criterion] = {"magnitude": magnitude}
"""Name -> importance criterion."""


def score(blueprint: Blueprint, importance: str = "magnitude") -> Scores:
    """Score every unit of every dim; a network is scored once and selected from often.

    Raises:
        ValueError: There is no criterion of that name.
    """
    if importance not in CRITERIA:
        near = get_close_matches(importance, CRITERIA, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"An importance is one of {sorted(CRITERIA)}, but got {importance!r}.{hint}")
    return CRITERIA[importance](blueprint)


def select(blueprint: Blueprint, candidate: Candidate, importance: str | Scores = "magnitude") -> Selection:
    """Keep the best-scored units of each dim, in their old order.

    Args:
        blueprint: The combed network.
        candidate: How many units of each dim stay.
        importance: Name of a criterion, or scores from `score`.

    Raises:
        ValueError: The candidate does not belong to the blueprint.
    """
    blueprint.check(candidate)
    scores = score(blueprint, importance) if isinstance(importance, str) else importance
    keep = {name: [_best(row, width) for row in scores[name]] for name, width in candidate.dims.items()}
    return Selection(candidate, keep)


def _best(scores: np.ndarray, width: int) -> list[int]:
    # A stable sort: of equal scores the first units stay, so that the answer does not depend on the platform.
    return sorted(int(i) for i in np.argsort(-scores, kind="stable")[:width])
