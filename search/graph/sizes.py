"""Sizes of axes: monomials, an integer times batch symbols."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """A monomial: `count` times the product of `symbols` (sorted names of unknown sizes, such as the batch)."""

    count: int
    symbols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"A size is not negative, but got count={self.count}.")

    def __mul__(self, other: Size) -> Size:
        return Size(self.count * other.count, tuple(sorted(self.symbols + other.symbols)))

    def over(self, other: Size) -> Size | None:
        """Return self / other where that is a monomial again, else None."""
        rest = list(self.symbols)
        for symbol in other.symbols:
            if symbol not in rest:
                return None
            rest.remove(symbol)
        if other.count == 0 or self.count % other.count:
            return None
        return Size(self.count // other.count, tuple(rest))


ONE = Size(1)
