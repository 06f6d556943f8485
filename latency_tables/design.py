"""Which networks to time where few can be: those whose times would say most about the laws of all operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .fit import Array, features
from .keys import PieceKey

PRIOR_NETWORKS = 0.1
"""Information about each term that is there before any timing, in timings: without, the first choices are arbitrary.
From 0.01 to 10 it makes little difference."""


def informative(
    networks: Sequence[Sequence[PieceKey]], known: Sequence[Sequence[PieceKey]], count: int, quantum: int
) -> list[int]:
    """Choose networks to time for laws of whole networks, the most informative first.

    Greedy Bayesian D-optimal design (Chaloner and Verdinelli, Bayesian Experimental Design: A Review, 1995, section
    2.2): each place goes to the network whose relative time the laws leave most open, given those before it. Times are
    relative, as errors of timings are; before any timing, a network's is taken to be the mean of its terms, each as a
    fraction of the unpruned network's.

    Args:
        networks: Pieces of each to choose from, of no operation that the unpruned network lacks.
        known: Pieces of those that are timed in any case, the unpruned network first.
        count: To choose.
        quantum: Units in one step of the runtime.

    Returns:
        Positions in `networks`, `count` at most; a longer choice begins as a shorter.
    """
    rows = _relative([*known, *networks], sorted({key.operation for key in known[0]}), quantum)
    spent, offered = rows[: len(known)], rows[len(known) :]
    spread = np.linalg.inv(PRIOR_NETWORKS * np.eye(rows.shape[1]) + spent.T @ spent)
    chosen: list[int] = []
    for _ in range(min(count, len(networks))):
        open_ = np.einsum("ij,jk,ik->i", offered, spread, offered)
        open_[chosen] = -1.0
        best = int(np.argmax(open_))
        chosen.append(best)
        # Sherman and Morrison: the inverse after one more row.
        pull = spread @ offered[best]
        spread = spread - np.outer(pull, pull) / (1.0 + offered[best] @ pull)
    return chosen


def _relative(networks: Sequence[Sequence[PieceKey]], operations: Sequence[str], quantum: int) -> Array:
    """Return each network's terms as fractions of the first one's, relative to its time as far as they tell it."""
    found = features(networks, operations, quantum)
    found = found / found[0]
    times = found.mean(axis=1, keepdims=True)
    # A network of no pieces takes no time, and tells nothing.
    return np.asarray(np.divide(found, times, out=np.zeros_like(found), where=times > 0))
