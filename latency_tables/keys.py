"""Name a piece of work so that equal pieces share their measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .families import Family


@dataclass(frozen=True, slots=True, order=True)
class PieceKey:
    """Name what one fused piece of a network computes; two pieces with equal keys share rows.

    Attributes:
        family: Operator and everything else that matters to the time but the two widths.
        widths: Width in and width out, in channels (features, heads times head size), at least 1 each.
    """

    family: Family
    widths: tuple[int, int]

    def __post_init__(self) -> None:
        legal = isinstance(self.widths, tuple) and len(self.widths) == 2 and all(type(w) is int for w in self.widths)
        if not legal or min(self.widths) < 1:
            raise ValueError(
                f"Widths are two plain integers of at least 1, but {str(self.family)!r} has {self.widths!r}."
            )

    @classmethod
    def of(cls, spelling: str, widths: tuple[int, int]) -> PieceKey:
        """Return the key of a family that is spelled as in journals; see `Family.parse`."""
        return cls(Family.parse(spelling), widths)

    @property
    def kind(self) -> str:
        """Class of the piece: the operator of its family."""
        return self.family.operator

    @property
    def operation(self) -> str:
        """What the piece computes, whatever the sizes of its tensors and what follows it; see `Family`."""
        return self.family.operation

    @property
    def positions(self) -> tuple[int, int]:
        """Positions in the tensors that the piece reads and makes; see `Family`."""
        return self.family.positions

    def to_json(self) -> dict[str, Any]:
        """Return the key as the JSON object that journals hold."""
        return {"family": str(self.family), "widths": list(self.widths)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PieceKey:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The widths are not two integers of at least 1, or the family is not a name.
        """
        width_in, width_out = data["widths"]
        return cls.of(data["family"], (width_in, width_out))


Piece = tuple[str, PieceKey]
"""A piece of one network: its name there, and its key."""
