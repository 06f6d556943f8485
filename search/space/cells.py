"""Pieces with the same dims and gates, added up: the form in which latency is computed and solved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .knobs import PieceCells


@dataclass(frozen=True, slots=True, eq=False)
class CellGroup:
    """The sum of all pieces that depend on the same dims and vanish with the same blocks.

    Attributes:
        dims: Positions of the dims, increasing: none, one or two.
        seconds: One axis a dim, as long as that dim has levels.
        gates: Positions of the blocks, increasing; the group vanishes when any of them is removed.
    """

    dims: tuple[int, ...]
    seconds: NDArray[np.float64]
    gates: tuple[int, ...]

    @property
    def monotone(self) -> bool:
        """Whether no wider level is faster than a narrower one."""
        return all(bool(np.all(np.diff(self.seconds, axis=axis) >= 0)) for axis in range(self.seconds.ndim))


def group_cells(
    pieces: Sequence[PieceCells], dims: Mapping[str, int], blocks: Mapping[str, int]
) -> tuple[CellGroup, ...]:
    """Add up the pieces that share dims and gates.

    Args:
        pieces: Pieces whose dims, blocks and shapes were checked.
        dims: Dim name -> position.
        blocks: Block name -> position.
    """
    totals: dict[tuple[tuple[int, ...], tuple[int, ...]], NDArray[np.float64]] = {}
    for piece in pieces:
        axes, seconds = _axes(piece, dims)
        key = (axes, tuple(sorted(blocks[name] for name in set(piece.blocks))))
        totals[key] = totals[key] + seconds if key in totals else seconds
    return tuple(CellGroup(axes, np.ascontiguousarray(total), gates) for (axes, gates), total in totals.items())


def _axes(piece: PieceCells, dims: Mapping[str, int]) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Return the piece's dim positions in increasing order, and its cells with one axis for each."""
    free = tuple(dims[dim] for dim in (piece.row, piece.column) if dim is not None)
    if len(free) < 2:
        return free, piece.seconds.reshape([piece.seconds.size] * len(free))
    if free[0] == free[1]:
        return free[:1], np.diagonal(piece.seconds)
    return (free, piece.seconds) if free[0] < free[1] else (free[::-1], piece.seconds.T)
