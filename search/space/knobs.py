"""The parts of a space: what can be chosen, and what each choice costs in seconds.

Latency tables are stairs: a wider layer may be faster than a narrower one. Nothing here assumes an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class WidthKnob:
    """The widths on offer for one dim.

    Attributes:
        dim: Dim name.
        levels: Increasing widths; the last is the full size.
    """

    dim: str
    levels: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.levels or self.levels[0] < 1 or any(a >= b for a, b in pairwise(self.levels)):
            raise ValueError(f"Widths on offer must increase from at least 1, but dim {self.dim!r} has {self.levels}.")

    @property
    def full(self) -> int:
        """Width in the unpruned network."""
        return self.levels[-1]


@dataclass(frozen=True, slots=True)
class BlockKnob:
    """A block that may be removed.

    Attributes:
        block: Block name.
        hides: Dims that vanish with the block.
    """

    block: str
    hides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.hides)) != len(self.hides):
            raise ValueError(f"A block hides each dim once, but block {self.block!r} hides {self.hides}.")


@dataclass(frozen=True, slots=True, eq=False)
class PieceCells:
    """What one piece of the network costs at every choice.

    Attributes:
        name: Piece name, as in the latency table.
        row: Dim of the piece's output width, or None where that is fixed.
        column: Dim of its input width, or None. May be the row's dim (depthwise): then only the diagonal counts.
        seconds: Shape `(levels of row or 1, levels of column or 1)`, read-only.
        blocks: The piece vanishes when any of these blocks is removed.
    """

    name: str
    row: str | None
    column: str | None
    seconds: NDArray[np.float64]
    blocks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seconds = np.array(self.seconds, dtype=np.float64)
        if seconds.ndim != 2:
            raise ValueError(f"Cells are a matrix (row, column), but piece {self.name!r} has shape {seconds.shape}.")
        counted = np.diagonal(seconds) if self.row is not None and self.row == self.column else seconds
        legal = np.isfinite(counted) & (counted >= 0)
        if not legal.all():
            raise ValueError(
                f"Every cell must be a finite number of seconds, 0 or more, but piece {self.name!r} has "
                f"{counted[~legal][0]}: measure or estimate it, or offer fewer widths."
            )
        seconds.setflags(write=False)
        object.__setattr__(self, "seconds", seconds)
