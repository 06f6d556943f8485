"""Stairs that were not swept: widths on offer where each file is a long compilation."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from .stairs import MOST_LEVELS


@dataclass(frozen=True, slots=True)
class EvenStairs:
    """Offer the multiples of one block of channels, as the runtime is said to work in; nothing of it was timed.

    Attributes:
        quantum: Units in one step of the runtime.
    """

    quantum: int

    def __post_init__(self) -> None:
        if self.quantum < 1:
            raise ValueError(f"`quantum` must be at least 1, but got {self.quantum}.")

    def levels(self, size: int, least: int = 1, most: int = MOST_LEVELS) -> tuple[int, ...]:
        """Return increasing widths to offer for a dim; the last is its size. See `Stairs.levels`.

        Raises:
            ValueError: `size >= 1`, `1 <= least` or `most >= 2` does not hold.
        """
        if size < 1 or least < 1 or most < 2:
            raise ValueError(f"size >= 1, least >= 1 and most >= 2 must hold, but got {size=}, {least=}, {most=}.")
        step = self.quantum * max(1, ceil(size / self.quantum / most))
        return (*(width for width in range(step, size, step) if width >= least), size)

    def why_whole(self, size: int, least: int = 1) -> str | None:
        """Return why a dim is on offer at its size only; None where narrower widths are on offer."""
        if len(self.levels(size, least)) > 1:
            return None
        return f"Widths are offered in steps of {self.quantum}, and none lies from {least} to below {size}."
