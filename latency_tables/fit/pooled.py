"""Laws of pieces where only whole networks were timed: one law for each operation, which its families share.

Some tens of networks do not tell five coefficients of every family. But families of one operation differ in the sizes
of their tensors and in what follows, and the sizes say how each term of the law grows. With n_in and n_out positions in
the tensor that is read and the one that is made, and blocks of q channels:

`t(i, o) = c0 + c1 n_in ceil(i/q) + c2 n_out ceil(o/q) + c3 n_out ceil(i/q) ceil(o/q) + c4 (i/q)(o/q)`:

a call, reading the input, writing the output, arithmetic, and reading the weights, however few the positions are. The
sum of what arithmetic and each kind of traffic take is that of a roofline without overlap (Williams, Waterman and
Patterson, Roofline, 2009). What one family takes more than this, the correction of the cells finds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ..families import Family
from ..keys import PieceKey
from ..table import NetworkRow
from .cells import FamilyCells
from .law import N_FEATURES, Array, StairLaw, fit_nonnegative, stairs

PRIOR = 0.1
"""Weight of "all pieces take equal times" against one network. From 0.01 to 0.3 it changes little: 19 networks of
ResNet-18 that AOTInductor compiled, chosen by `informative` out of 34, predicted 97 to 98 % of others within 10 %."""

LEAST = 0.01
"""Part of the prior that each operation keeps. Without it, the least squares may end at a time of exactly zero for an
operation that few networks tell from the others, and no operation is free; with it, no network moves by more than 1 %.
"""

ARITHMETIC = 3
"""Place of the term that the prior gives all of a piece's time."""


def terms(key: PieceKey, quantum: int) -> Array:
    """Return what the coefficients of a piece's operation are multiplied by, shape (5,)."""
    return stairs(*key.widths, quantum) * _growth(key)


def features(networks: Sequence[Sequence[PieceKey]], operations: Sequence[str], quantum: int) -> Array:
    """Return the sums of terms of each operation's pieces, shape (len(networks), 5 * len(operations)).

    Args:
        networks: Pieces of each.
        operations: All of theirs; each has five columns, in this order.
        quantum: Units in one step of the runtime.
    """
    place = {operation: i for i, operation in enumerate(operations)}
    found = np.zeros((len(networks), len(operations), N_FEATURES))
    for sums, pieces in zip(found, networks, strict=True):
        for key in pieces:
            sums[place[key.operation]] += terms(key, quantum)
    return found.reshape(len(networks), len(operations) * N_FEATURES)


def laws_of_networks(rows: Sequence[NetworkRow], sums: Array, quantum: int, trust: Array) -> dict[Family, FamilyCells]:
    """Fit one law an operation to whole networks; return the cells of each family, none of them measured.

    Args:
        rows: Networks; what their pieces take is not known.
        sums: What the cells of each shall add up to, shape (len(rows),).
        quantum: Units in one step of the runtime.
        trust: In each network, shape (len(rows),), from 0 to 1.
    """
    networks = [[piece.key for piece in row.pieces] for row in rows]
    operations = sorted({key.operation for pieces in networks for key in pieces})
    prior = _equal_times(networks, operations, sums, quantum)
    fitted = fit_nonnegative(features(networks, operations, quantum), sums, prior, PRIOR, trust)
    laws = dict(zip(operations, np.maximum(fitted, LEAST * prior).reshape(-1, N_FEATURES), strict=True))
    seen: dict[Family, set[PieceKey]] = defaultdict(set)
    for key in (key for pieces in networks for key in pieces):
        seen[key.family].add(key)
    return {family: _cells(keys, laws, quantum) for family, keys in seen.items()}


def _cells(keys: set[PieceKey], laws: dict[str, Array], quantum: int) -> FamilyCells:
    one = next(iter(keys))
    law = StairLaw(quantum, tuple((laws[one.operation] * _growth(one)).tolist()))
    return FamilyCells.of_law(law, np.array(sorted(key.widths for key in keys), dtype=np.float64))


def _equal_times(networks: Sequence[Sequence[PieceKey]], operations: Sequence[str], sums: Array, quantum: int) -> Array:
    """Return coefficients that give each piece of a network the same time, as arithmetic; in the mean over pieces."""
    found: dict[str, list[float]] = defaultdict(list)
    for pieces, total in zip(networks, sums.tolist(), strict=True):
        for key in pieces:
            found[key.operation].append(total / len(pieces) / float(terms(key, quantum)[ARITHMETIC]))
    prior = np.zeros((len(operations), N_FEATURES))
    prior[:, ARITHMETIC] = [np.mean(found[operation]) for operation in operations]
    return prior.ravel()


def _growth(key: PieceKey) -> Array:
    """Return by what each term of `stairs` grows with the sizes of a piece's tensors, shape (5,)."""
    read, made = key.positions
    return np.array([1.0, read, made, made, 1.0])
