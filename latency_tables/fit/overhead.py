"""What profiling adds to each node: on small nodes it is most of what a profile shows, so shares are taken without it.

ONNX Runtime's profile of a network of 50 nodes is 20 to 80 % longer than the network itself, the more the smaller its
nodes are: a few microseconds a node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import nnls  # type: ignore[import-untyped, unused-ignore]

from ..table import NetworkRow

# Part of a node's profiled time that is left to it in any case: its true time is not zero.
_LEAST_LEFT = 0.05

# Weight of "profiling adds to nodes only" against one network's relative error.
_UNIT_WEIGHT = 0.1


def profiling_overhead(rows: Sequence[NetworkRow]) -> float:
    """Return the seconds that profiling adds to a node: zero or more.

    Fits `profiled = a x un-profiled + overhead x nodes` over the networks, in relative terms; both as the machine ran
    at that time. Where all networks have as much time for each node, that leaves open which of the two it is: then a
    is 1.
    """
    lines = []
    for row in rows:
        profiled, nodes = sum(u.profiled_s or 0.0 for u in row.pieces), sum(len(u.operators) for u in row.pieces)
        if profiled > 0 and row.raw_s is not None:
            lines.append((row.raw_s / profiled, nodes / profiled))
    if len(lines) < 2:
        return 0.0
    left = np.array([*lines, (_UNIT_WEIGHT, 0.0)])
    (_, overhead), _ = nnls(left, np.array([*(1.0 for _ in lines), _UNIT_WEIGHT]))
    return float(overhead)


def true_shares(row: NetworkRow, overhead: float) -> Mapping[str, float]:
    """Return piece name -> share of the network's time, profiling's part taken off; without a profile, it is absent.

    Where profiled seconds were not kept, the shares are those of the row.
    """
    own = {
        piece.name: max(piece.profiled_s - overhead * len(piece.operators), _LEAST_LEFT * piece.profiled_s)
        for piece in row.pieces
        if piece.profiled_s is not None
    }
    total = sum(own.values())
    if total <= 0:
        return {piece.name: piece.share for piece in row.pieces if piece.share is not None}
    return {name: seconds / total for name, seconds in own.items()}
