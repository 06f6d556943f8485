"""Name a unit of work so that equal units share their measurements."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# Words of a family that say sizes of tensors, and those or what follows the operator.
_SIZES = re.compile(r"(in|out|at)(\d+(?:x\d+)*)")
_SIZES_AND_FOLLOWERS = re.compile(rf"{_SIZES.pattern}|\+.*")


@dataclass(frozen=True, slots=True, order=True)
class UnitKey:
    """Name what one fused unit of a network computes; two units with equal keys share rows.

    Attributes:
        family: Operator and everything else that matters to the time but the two widths, e.g.
            `conv2d k3x3 s1 p1 dense in16x16 out16x16 +relu`. Its first word is the unit's class.
        widths: Width in and width out, in channels (features, heads times head size), at least 1 each.
    """

    family: str
    widths: tuple[int, int]

    def __post_init__(self) -> None:
        if not self.family or self.family != " ".join(self.family.split()):
            raise ValueError(
                f"A family is words with one space between them, but got {self.family!r}: "
                "write for example 'conv2d k3x3 s1 p1 dense in16x16 out16x16'."
            )
        legal = isinstance(self.widths, tuple) and len(self.widths) == 2 and all(type(w) is int for w in self.widths)
        if not legal or min(self.widths) < 1:
            raise ValueError(f"Widths are two plain integers of at least 1, but {self.family!r} has {self.widths!r}.")

    @property
    def kind(self) -> str:
        """Class of the unit: the first word of its family."""
        return self.family.split(" ", 1)[0]

    @property
    def operation(self) -> str:
        """What the unit computes, whatever the sizes of its tensors and what follows it: `conv2d k3x3 s1 p1 dense`."""
        return _operation(self.family)

    @property
    def positions(self) -> tuple[int, int]:
        """Positions in the tensors that the unit reads and makes: the products of their sizes but for the widths.

        (1024, 256) for `conv2d k3x3 s2 p1 dense in32x32 out16x16`; 1 for what the family does not say.
        """
        return _positions(self.family)

    def to_json(self) -> dict[str, Any]:
        """Return the key as the JSON object that journals hold."""
        return {"family": self.family, "widths": list(self.widths)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> UnitKey:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The widths are not two integers of at least 1, or the family is not a name.
        """
        width_in, width_out = data["widths"]
        return cls(data["family"], (width_in, width_out))


Unit = tuple[str, UnitKey]
"""A unit of one network: its name there, and its key."""


@lru_cache(maxsize=4096)
def _operation(family: str) -> str:
    return " ".join(word for word in family.split() if not _SIZES_AND_FOLLOWERS.fullmatch(word))


@lru_cache(maxsize=4096)
def _positions(family: str) -> tuple[int, int]:
    words = filter(None, map(_SIZES.fullmatch, family.split()))
    found = {name: math.prod(map(int, sizes.split("x"))) for name, sizes in (word.groups() for word in words)}
    everywhere = found.get("at", 1)
    return found.get("in", everywhere), found.get("out", everywhere)
