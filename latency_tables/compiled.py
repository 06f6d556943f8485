"""Predict very many candidates at once: cells as matrices over levels of knobs, indexed in numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .families import Family
from .fit import ORIGINS, Array, Bend, Codes
from .keys import PieceKey

Levels = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Slot:
    """Place one piece in a space: its key for every combination of levels of the knobs that it depends on.

    A knob is a column of the level matrices that `Compiled.batch` takes, a level a choice of it: a width, whether a
    block stays, a resolution.

    Attributes:
        knobs: Columns, ascending; empty for a piece that never changes.
        sizes: Number of levels of each of these knobs.
        keys: The piece's key at each combination, in C order (the last knob runs fastest); None where the piece is
            absent there and takes no time, as in a removed block.
    """

    knobs: tuple[int, ...]
    sizes: tuple[int, ...]
    keys: tuple[PieceKey | None, ...]

    def __post_init__(self) -> None:
        if list(self.knobs) != sorted(set(self.knobs)) or min(self.knobs, default=0) < 0:
            raise ValueError(f"Knobs are distinct ascending columns, but got {self.knobs}.")
        if len(self.sizes) != len(self.knobs) or math.prod(self.sizes) != len(self.keys):
            raise ValueError(
                f"A slot has one key for each combination of levels, but got {self.sizes=} for {self.knobs=} and "
                f"{len(self.keys)} keys."
            )

    @classmethod
    def grid(
        cls,
        family: Family,
        widths_in: Sequence[int],
        widths_out: Sequence[int],
        knob_in: int | None,
        knob_out: int | None,
    ) -> Slot:
        """Return the slot of a piece of one family whose widths are set by up to two knobs.

        Args:
            family: Of its keys.
            widths_in: Width in at each level of `knob_in`; a single one where that is None.
            widths_out: Likewise of `knob_out`.
            knob_in: Column of the knob that sets the width in.
            knob_out: Likewise; the same column as `knob_in` for a piece such as a depthwise convolution.
        """
        if knob_in is not None and knob_in == knob_out:
            pairs = list(zip(widths_in, widths_out, strict=True))
            return cls((knob_in,), (len(pairs),), tuple(PieceKey(family, pair) for pair in pairs))
        for knob, widths in ((knob_in, widths_in), (knob_out, widths_out)):
            if knob is None and len(widths) != 1:
                raise ValueError(f"A width that no knob sets is one number, but {str(family)!r} has {tuple(widths)}.")
        keys = np.empty((len(widths_in), len(widths_out)), dtype=object)
        keys[:] = [[PieceKey(family, (i, o)) for o in widths_out] for i in widths_in]
        axes = [
            (knob, size) for knob, size in ((knob_in, len(widths_in)), (knob_out, len(widths_out))) if knob is not None
        ]
        if len(axes) == 2 and axes[0] > axes[1]:
            keys, axes = keys.T, axes[::-1]
        return cls(tuple(k for k, _ in axes), tuple(s for _, s in axes), tuple(keys.ravel()))


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Hold the summed seconds and the worst origin of all slots on the same knobs, of shape `sizes`."""

    knobs: tuple[int, ...]
    seconds: Array
    codes: Codes


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """Predict candidates of one space, given as levels of its knobs.

    Attributes:
        grids: Sums of cells; the additive problem in full, for exact solvers too.
        fixed_s: What the pieces that never change add to every sum.
        fixed_code: Worst origin among the pieces that never change.
        interval: Factors on a prediction, low and high.
        bend: From the sum to seconds.
    """

    grids: tuple[Grid, ...]
    fixed_s: float
    fixed_code: int
    interval: tuple[float, float]
    bend: Bend = field(default_factory=Bend)

    def batch(self, levels: NDArray[np.integer]) -> Array:
        """Return seconds of shape (n,) for candidates given as levels of shape (n, knobs).

        Raises:
            ValueError: A level is outside its knob's range, or a knob's column is missing.
        """
        columns = self._columns(levels)
        total = np.full(columns.shape[1], self.fixed_s)
        for grid in self.grids:
            total += grid.seconds.ravel()[_flat(grid, columns)]
        return self.bend.seconds(total)

    def origins(self, levels: NDArray[np.integer]) -> NDArray[np.str_]:
        """Return the worst origin of each candidate, of shape (n,); arguments and errors as of `batch`."""
        columns = self._columns(levels)
        worst = np.full(columns.shape[1], self.fixed_code, dtype=np.int8)
        for grid in self.grids:
            np.maximum(worst, grid.codes.ravel()[_flat(grid, columns)], out=worst)
        return np.asarray(ORIGINS)[worst]

    def _columns(self, levels: NDArray[np.integer]) -> Levels:
        """Return levels by knob, of shape (knobs, n), after checking their ranges."""
        needed = max((knob + 1 for grid in self.grids for knob in grid.knobs), default=0)
        if levels.ndim != 2 or levels.shape[1] < needed or not np.issubdtype(levels.dtype, np.integer):
            raise ValueError(
                f"Levels are integers of shape (n, {needed} or more), but got {levels.shape} {levels.dtype}."
            )
        columns = np.ascontiguousarray(levels.T, dtype=np.intp)
        sizes = {knob: size for grid in self.grids for knob, size in zip(grid.knobs, grid.seconds.shape, strict=True)}
        for knob, size in sizes.items() if columns.shape[1] else ():
            if columns[knob].min() < 0 or columns[knob].max() >= size:
                raise ValueError(f"Levels of knob {knob} are 0 ... {size - 1}, but some are outside.")
        return columns


def merge_grids(grids: Sequence[Grid]) -> list[Grid]:
    """Add each grid to another one that has all of its knobs, where there is one: fewer look-ups, the same sums.

    Raises:
        ValueError: A knob has different numbers of levels in two grids.
    """
    _check_sizes(grids)
    merged: list[Grid] = []
    for grid in sorted(grids, key=lambda grid: (-len(grid.knobs), grid.knobs)):
        host = next((i for i, other in enumerate(merged) if set(grid.knobs) <= set(other.knobs)), None)
        if host is None:
            merged.append(grid)
            continue
        knobs = merged[host].knobs
        wide = [slice(None) if knob in grid.knobs else None for knob in knobs]
        seconds = merged[host].seconds + grid.seconds[tuple(wide)]
        merged[host] = Grid(knobs, seconds, np.maximum(merged[host].codes, grid.codes[tuple(wide)]))
    return merged


def _check_sizes(grids: Sequence[Grid]) -> None:
    sizes: dict[int, int] = {}
    for grid in grids:
        for knob, size in zip(grid.knobs, grid.seconds.shape, strict=True):
            if sizes.setdefault(knob, size) != size:
                raise ValueError(f"A knob has one number of levels, but knob {knob} has {sizes[knob]} and {size}.")


def _flat(grid: Grid, columns: Levels) -> Levels:
    flat: Levels = columns[grid.knobs[0]]
    for knob, size in zip(grid.knobs[1:], grid.seconds.shape[1:], strict=True):
        flat = flat * size + columns[knob]
    return flat
