"""What a piece computes, apart from its widths: typed fields, and the one place that writes and reads their spelling.

Journals, hashes and messages hold the spelling, so it never changes. Its words, with one space between them::

    conv2d k3x3 s1x1 dense in16x16 out16x16 +relu
    conv2d k5x5 s2x2 depthwise d2x2 in32x32 out16x16
    linear at196 +gelu
    lstm at7 both
    matmul 4x49xw 4xwx49

in this order: operator, kernel (k), stride (s), traits, grouping, dilation (d), sizes (at, in, out), modes, and with a
plus the followers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache, total_ordering
from typing import Literal, get_args

Sizes = tuple[int, ...]

Grouping = Literal["dense", "depthwise", "grouped"]
"""How a convolution's channels in and out are tied: all with all, one with one, or within groups."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Family:
    """Name an operator and everything else that matters to its time but the two widths.

    Families are equal, and ordered, as their spellings are.

    Attributes:
        operator: Name of the operator that begins the piece, its class.
        kernel: Sizes of a convolution's kernel.
        stride: Steps of it.
        traits: Whatever else tells what is computed: the equation and the shapes of a product.
        grouping: Of a convolution.
        inside: Channels in of one group, where the grouping is "grouped".
        dilation: Of a convolution, where it is not 1.
        at: Sizes of the tensor that is read and of the one that is made, but for the widths, where they are the same.
        reads: Of the tensor that is read, where they differ.
        makes: Of the tensor that is made.
        modes: How the operator runs over its sizes: "both" for a recurrent layer in both directions.
        followers: Names of the operators that are fused to it, each once, in the order in which they come.
        spelling: As journals hold it; written from the other fields where it is left out.
        operation: What is computed, whatever the sizes of the tensors and what follows: `conv2d k3x3 s1x1 dense`.
    """

    operator: str
    kernel: Sizes = ()
    stride: Sizes = ()
    traits: tuple[str, ...] = ()
    grouping: Grouping | None = None
    inside: int | None = None
    dilation: Sizes = ()
    at: Sizes = ()
    reads: Sizes = ()
    makes: Sizes = ()
    modes: tuple[str, ...] = ()
    followers: tuple[str, ...] = ()
    spelling: str = ""
    operation: str = field(init=False)

    def __post_init__(self) -> None:
        if (self.grouping == "grouped") != (self.inside is not None):
            raise ValueError(
                f"Only groups of several channels have a number inside, but got {self.grouping=}, {self.inside=}."
            )
        words = self._words()
        object.__setattr__(self, "operation", " ".join(words["operation"] + words["modes"]))
        if not self.spelling:
            written = words["operation"] + words["sizes"] + words["modes"] + words["followers"]
            object.__setattr__(self, "spelling", " ".join(written))
        _check(self.spelling)

    @classmethod
    def parse(cls, spelling: str) -> Family:
        """Read a spelling; what it holds beyond the known words is a trait, or a mode where it comes after the sizes.

        Raises:
            ValueError: It is not words with one space between them.
        """
        return _parsed(spelling)

    def __str__(self) -> str:
        return self.spelling

    def __eq__(self, other: object) -> bool:
        return self.spelling == other.spelling if isinstance(other, Family) else NotImplemented

    def __lt__(self, other: Family) -> bool:
        return self.spelling < other.spelling

    def __hash__(self) -> int:
        return hash(self.spelling)

    @property
    def positions(self) -> tuple[int, int]:
        """Positions in the tensors that the piece reads and makes: the products of their sizes but for the widths.

        (1024, 256) for `conv2d k3x3 s2x2 dense in32x32 out16x16`; 1 for what the family does not say.
        """
        return math.prod(self.reads or self.at), math.prod(self.makes or self.at)

    @property
    def taps(self) -> int:
        """Positions of the kernel; 1 where there is none."""
        return math.prod(self.kernel)

    def followed_by(self, *names: str) -> Family:
        """Return the same with other followers."""
        return replace(self, followers=names, spelling="")

    def _words(self) -> dict[str, list[str]]:
        sized = {"k": self.kernel, "s": self.stride, "d": self.dilation}
        k, s, d = ([_word(name, sizes)] if sizes else [] for name, sizes in sized.items())
        grouping = [] if self.grouping is None else [f"{self.grouping}{self.inside or ''}"]
        tensors = {"at": self.at, "in": self.reads, "out": self.makes}
        return {
            "operation": [self.operator, *k, *s, *self.traits, *grouping, *d],
            "sizes": [_word(name, sizes) for name, sizes in tensors.items() if sizes],
            "modes": list(self.modes),
            "followers": [f"+{name}" for name in self.followers],
        }


_PREFIXES = {"at": "at", "in": "reads", "out": "makes", "k": "kernel", "s": "stride", "d": "dilation"}
"""Beginning of a word of sizes -> the field that it is read into."""

_TENSORS = ("at", "reads", "makes")


@lru_cache(maxsize=4096)
def _parsed(spelling: str) -> Family:
    _check(spelling)
    operator, *words = spelling.split()
    sizes: dict[str, Sizes] = {}
    grouping: Grouping | None = None
    inside: int | None = None
    traits, modes, followers = list[str](), list[str](), list[str]()
    for word in words:
        name, found = _sizes(word)
        group, number = _group(word)
        if word.startswith("+"):
            followers.append(word[1:])
        elif found and name not in sizes:
            sizes[name] = found
        elif group is not None and grouping is None:
            grouping, inside = group, number
        else:
            (modes if any(tensor in sizes for tensor in _TENSORS) else traits).append(word)
    return Family(
        operator=operator,
        **sizes,
        grouping=grouping,
        inside=inside,
        traits=tuple(traits),
        modes=tuple(modes),
        followers=tuple(followers),
        spelling=spelling,
    )


def _word(name: str, sizes: Sizes) -> str:
    return name + "x".join(map(str, sizes))


def _sizes(word: str) -> tuple[str, Sizes]:
    """Return the field that a word such as `k3x3` belongs to, and its sizes; none where it is no such word."""
    name = word.rstrip("0123456789x")
    parts = word[len(name) :].split("x")
    if name not in _PREFIXES or not all(part.isdecimal() for part in parts):
        return "", ()
    return _PREFIXES[name], tuple(map(int, parts))


def _group(word: str) -> tuple[Grouping | None, int | None]:
    for kind in get_args(Grouping):
        rest = word.removeprefix(kind)
        if rest != word and (rest.isdecimal() if kind == "grouped" else not rest):
            return kind, int(rest) if rest else None
    return None, None


def _check(spelling: str) -> None:
    if not spelling or spelling != " ".join(spelling.split()):
        raise ValueError(
            f"A family is words with one space between them, but got {spelling!r}: "
            "write for example 'conv2d k3x3 s1x1 dense in16x16 out16x16'."
        )
