"""The stairs of a class of operators: which widths are worth having on a target, as a sweep found them.

A runtime works on blocks of channels, so latency over width is a staircase; and widths that leave its blocked layout
may cost a multiple of wider ones. A width is a **tread edge** where no wider width is as fast: it is the widest of
those that cost what it costs. Only edges are worth offering.

A sweep times few widths. Those that it did not time are told from the **quantum**, the largest power of two such that
on most treads no timed width is faster than the multiple that ends the tread (shifted by the **phase**). Most of them:
single widths may be faster for reasons of their own, as where a runtime has another kernel for those that leave its
layout. The quantum may be larger than the runtime's block where a block more or less makes no measurable difference;
its multiples are edges all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from statistics import median
from types import MappingProxyType
from typing import Any

from hwprofiles import Interval, check_shape

TOLERANCE = 0.03
"""Difference of two ratios, as a fraction, below which one width is called as fast as another."""

GRID_TOLERANCE = 0.045
"""What a tread may cost more than a width on it, as a fraction, before it is called no tread. More than `TOLERANCE`,
since a finer grid than the runtime's own offers widths that cost what wider ones do."""

MOST_LEVELS = 16
"""Widths on offer for one dim, at most."""

UNSTEADY = 0.12
"""Half of an interval, relative to its median, above which a sweep sees no steps; where half of the widths are as
uncertain, the machine was too busy for stairs. On a quiet one it is 3 % for short operators and 9 % for long ones."""

_MOST_QUANTUM = 256

_STEPS_SHOW = 128
"""Width up to which a step of a staircase is a measurable share of what the width costs."""


_SHAPE: Mapping[str, Any] = {"kind": str, "size": int, "ratios": [[object]], "failed": [[object]]}


def is_faster(ratio: Interval, other: Interval, tolerance: float = TOLERANCE) -> bool:
    """Tell whether one ratio is below another by more than the tolerance, and surely so: the intervals lie apart."""
    return ratio.median < other.median * (1 - tolerance) and ratio.high < other.low


def tread_edges(widths: Sequence[int], ratios: Sequence[Interval], tolerance: float = TOLERANCE) -> tuple[int, ...]:
    """Return the tread edges among some widths, increasing; the widest width is always one.

    From the widest down, the next edge is found from the first width that `is_faster` than the last edge: it is the
    widest width in between that is no slower than that one, within half of the tolerance. So no width that is left out
    is both wider and no slower than an edge.

    Args:
        widths: Increasing, at least one.
        ratios: Time of each relative to a common canary, in the order of the widths.
        tolerance: See `is_faster`.

    Raises:
        ValueError: The widths do not increase from at least 1, their number differs from that of the ratios, or the
            tolerance is outside [0, 1).
    """
    if not widths or widths[0] < 1 or any(a >= b for a, b in pairwise(widths)) or len(widths) != len(ratios):
        raise ValueError(f"Widths must increase from at least 1, one for each ratio, but got {list(widths)}.")
    if not 0 <= tolerance < 1:
        raise ValueError(f"0 <= tolerance < 1 must hold, but got {tolerance}.")
    edges = [len(widths) - 1]
    while True:
        last = edges[-1]
        faster = next((i for i in range(last - 1, -1, -1) if is_faster(ratios[i], ratios[last], tolerance)), None)
        if faster is None:
            return tuple(widths[i] for i in reversed(edges))
        limit = ratios[faster].median * (1 + tolerance / 2)
        edges.append(next(i for i in range(last - 1, faster - 1, -1) if ratios[i].median <= limit))


@dataclass(frozen=True, slots=True)
class Stairs:
    """What a sweep over the widths of one dim saw, and what follows for all dims of its class.

    Attributes:
        kind: The class of operators, without sizes.
        size: Full size of the dim that was swept.
        ratios: Width -> time relative to the canary, which is the widest network of the sweep; increasing widths.
        failed: Width -> why the runtime could not run it.
    """

    kind: str
    size: int
    ratios: Mapping[int, Interval]
    failed: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        swept = {*self.ratios, *self.failed}
        if not self.kind or self.size < 1:
            raise ValueError(f"Stairs have a kind and a size of at least 1, but got {self.kind!r}, {self.size}.")
        if not swept or min(swept) < 1 or max(swept) > self.size or len(swept) < len(self.ratios) + len(self.failed):
            raise ValueError(
                f"A sweep times or fails each of some widths from 1 to {self.size}, but that of {self.kind!r} has "
                f"{sorted(self.ratios)} timed and {sorted(self.failed)} failed."
            )
        for name in ("ratios", "failed"):
            values = getattr(self, name)
            object.__setattr__(self, name, MappingProxyType({width: values[width] for width in sorted(values)}))

    def __hash__(self) -> int:
        return hash((self.kind, self.size, tuple(self.ratios.items()), tuple(self.failed.items())))

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths that were timed, increasing."""
        return tuple(self.ratios)

    @property
    def edges(self) -> tuple[int, ...]:
        """Tread edges among the widths that were timed, increasing; none where all failed."""
        return tread_edges(self.widths, tuple(self.ratios.values())) if self.ratios else ()

    @property
    def uncertainty(self) -> float:
        """Half of the interval of a width's ratio, relative to it: the median over the widths beside the canary."""
        own = [ratio.relative_half_width for width, ratio in self.ratios.items() if width != max(self.ratios)]
        return median(own) if own else 0.0

    @property
    def is_unsteady(self) -> bool:
        """Whether the sweep was too uncertain to see steps, so that the stairs may be too coarse."""
        return self.uncertainty > UNSTEADY

    @property
    def is_complete(self) -> bool:
        """Whether every width was swept, so that nothing is extrapolated for dims of this size."""
        return len(self.ratios) + len(self.failed) == self.size

    @property
    def quantum(self) -> int:
        """Step of the widths that are worth having, a power of two; see the head of this file."""
        return self._grid[0]

    @property
    def phase(self) -> int:
        """First width of the grid that the quantum steps on, from 0 to below the quantum; mostly 0."""
        return self._grid[1]

    @property
    def _grid(self) -> tuple[int, int]:
        quantum = _MOST_QUANTUM
        while quantum > 1:
            if self._fits(quantum, 0) and self._tests(quantum):
                return quantum, 0
            phases = dict.fromkeys(edge % quantum for edge in reversed(self.edges))
            shifted = next((p for p in phases if self._fits(quantum, p) and self._bears(quantum, p)), None)
            if shifted is not None:
                return quantum, shifted
            quantum //= 2
        return 1, 0

    def _fits(self, quantum: int, phase: int) -> bool:
        """Whether fewer than half of the treads on which the grid could fail have a width that is faster than it."""
        failing = {end for _, end in self.against(quantum, phase)}
        ends = {width + (phase - width) % quantum: width for width in sorted(self.ratios, reverse=True)}
        # Far up, a step is a small share of the whole, and that it was not seen says nothing.
        seen = [end for end in ends if end in self.ratios and end <= _STEPS_SHOW]
        tested = {end for end in seen if end - ends[end] >= quantum // 2}
        return not failing or 2 * len(failing) < len(failing | tested)

    def against(self, quantum: int, phase: int = 0) -> tuple[tuple[int, int], ...]:
        """Return what speaks against a grid: (width, next width of the grid) where the narrower one is faster."""
        above = {width: width + (phase - width) % quantum for width in self.ratios}
        ends = {width: self.ratios[end] for width, end in above.items() if end in self.ratios}
        return tuple((w, above[w]) for w, end in ends.items() if is_faster(self.ratios[w], end, GRID_TOLERANCE))

    def _tests(self, quantum: int) -> bool:
        """Whether a grid of half the quantum could have been told apart: a width only on that one, and the next."""
        odd = [width for width in self.ratios if width % quantum == quantum // 2]
        return any(width + quantum // 2 in self.ratios for width in odd)

    def _bears(self, quantum: int, phase: int) -> bool:
        """Whether two steps of a shifted grid were seen: an edge with a slower width right above it."""
        seen = {a for a in self.edges if a + 1 in self.ratios and is_faster(self.ratios[a], self.ratios[a + 1])}
        return len({a for a in seen if a % quantum == phase}) >= 2 and all(a % quantum == phase for a in seen)

    def levels(self, size: int, least: int = 1, most: int = MOST_LEVELS) -> tuple[int, ...]:
        """Return increasing widths worth offering for a dim of this class; the last is its size.

        Those that were timed are tread edges; the others are extrapolated on the grid of quantum and phase (see
        `is_extrapolated`). Where there are more than `most`, the grid's step becomes a multiple of the quantum.

        Args:
            size: Of the dim.
            least: Smallest width that the dim may have.
            most: Most levels to return, at least 2.

        Raises:
            ValueError: `size >= 1`, `1 <= least` or `most >= 2` does not hold.
        """
        if size < 1 or least < 1 or most < 2:
            raise ValueError(f"size >= 1, least >= 1 and most >= 2 must hold, but got {size=}, {least=}, {most=}.")
        if not self.edges:
            return (size,)
        if size == self.size and self.is_complete:
            edges = [width for width in self.edges if least <= width < size]
            every = ceil((len(edges) + 1) / most)
            return (*edges[::-1][every - 1 :: every][::-1], size)
        step = self.quantum * max(1, ceil(size / self.quantum / most))
        found = set(range(self.phase + step, size, step)) - set(self.failed)
        if size == self.size:
            last = size - (size - self.phase) % self.quantum
            # Behind the last whole step, as before an odd size, no multiple tells what is worth having; and a width
            # that beats the end of its tread is an edge of its own.
            own = {width for width, _ in self.against(self.quantum, self.phase)}
            found = (found - set(self.ratios)) | {e for e in self.edges if e in found or e in own or e > last}
        levels = (*sorted(width for width in found if least <= width < size), size)
        return levels if len(levels) <= most else (*levels[1 - most : -1], size)

    def is_extrapolated(self, size: int, width: int) -> bool:
        """Tell whether a width of a dim of this class is on offer although it was not timed at that size."""
        return size != self.size or width not in self.ratios

    def why_whole(self, size: int, least: int = 1) -> str | None:
        """Return why a dim of this class is on offer at its size only; None where narrower widths are on offer."""
        if len(self.levels(size, least)) > 1:
            return None
        if not self.ratios:
            return f"The runtime could run none of its widths: {next(iter(self.failed.values()))}"
        if size == self.size and len(self.edges) == 1:
            return f"No width below {size} that was timed is faster than it."
        return f"Widths are worth having in steps of {self.quantum}, and none lies from {least} to below {size}."

    def to_json(self) -> dict[str, Any]:
        """Return what was seen; edges, quantum and phase follow from it."""
        return {
            "kind": self.kind,
            "size": self.size,
            "ratios": [[width, ratio.to_json()] for width, ratio in self.ratios.items()],
            "failed": [[width, message] for width, message in self.failed.items()],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Stairs:
        """Read what `to_json` wrote.

        Raises:
            ValueError: A field is missing, or a width or an interval is not legal.
        """
        check_shape(data, _SHAPE, "stairs")
        ratios = {width: Interval.from_json(ratio) for width, ratio in data["ratios"]}
        failed = dict(data["failed"])
        check_shape([*ratios, *failed], [int], "widths of stairs")
        check_shape(list(failed.values()), [str], "failures of stairs")
        return cls(data["kind"], data["size"], ratios, failed)
