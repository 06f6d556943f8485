"""The two values that name a network: sizes and choices, and which units stay.

A `Candidate` says how wide each dim is and which blocks are kept; every shape and the predicted latency are
pure functions of the blueprint and a candidate. A `Selection` adds which units stay; the cut network is a pure
function of the blueprint and a selection. Both are frozen, hashable and travel as JSON.

Format history of the candidate: 1 (2026-11): dims, blocks, layers, resolution.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from hwprofiles import check_shape

CANDIDATE_FORMAT = 1

BlockChoice = Literal["keep", "remove"]


_CANDIDATE: Mapping[str, Any] = {
    "dims": {str: int},
    "blocks": {str: str},
    "layers": {str: str},
    "resolution": (int, None),
}


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({name: mapping[name] for name in sorted(mapping)})


@dataclass(frozen=True, slots=True)
class Choices:
    """Structure choices: all of a candidate that says which calls its network has, and nothing of how wide they are.

    Attributes:
        removed: Names of the blocks that are removed.
    """

    removed: frozenset[str] = frozenset()

    @classmethod
    def without(cls, *blocks: str) -> Choices:
        """Return the choices that remove these blocks and keep all others."""
        return cls(frozenset(blocks))


@dataclass(frozen=True, slots=True)
class Candidate:
    """Sizes and choices of one network in a blueprint's space.

    Attributes:
        dims: Dim name -> width (units that stay, at least 1). Dims of removed blocks are left out, so that
            equal networks are equal values.
        blocks: Block name -> "keep" or "remove".
        layers: Mergeable layer name -> form.
        resolution: Input size, or None for the blueprint's own.
    """

    dims: Mapping[str, int]
    blocks: Mapping[str, str]
    layers: Mapping[str, str]
    resolution: int | None = None

    def __init__(
        self,
        dims: Mapping[str, int],
        blocks: Mapping[str, str] | None = None,
        layers: Mapping[str, str] | None = None,
        resolution: int | None = None,
    ) -> None:
        for name, width in dims.items():
            if isinstance(width, bool) or not isinstance(width, int) or width < 1:
                raise ValueError(f"A width must be an integer of at least 1, but dim {name!r} has {width!r}.")
        for name, choice in (blocks or {}).items():
            if choice not in ("keep", "remove"):
                raise ValueError(f"A block is 'keep' or 'remove', but block {name!r} has {choice!r}.")
        object.__setattr__(self, "dims", _frozen(dims))
        object.__setattr__(self, "blocks", _frozen(blocks or {}))
        object.__setattr__(self, "layers", _frozen(layers or {}))
        object.__setattr__(self, "resolution", resolution)

    @property
    def removed(self) -> frozenset[str]:
        """Names of the blocks that are removed."""
        return frozenset(name for name, choice in self.blocks.items() if choice == "remove")

    @property
    def choices(self) -> Choices:
        """Its structure choices."""
        return Choices(self.removed)

    def to_json(self) -> dict[str, Any]:
        """Return the value as the JSON object that files hold."""
        return {
            "format": CANDIDATE_FORMAT,
            "dims": dict(self.dims),
            "blocks": dict(self.blocks),
            "layers": dict(self.layers),
            "resolution": self.resolution,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Candidate:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The format is not one that this version reads, or a value is not legal.
        """
        _check_format(data, CANDIDATE_FORMAT, "candidate")
        check_shape(data, _CANDIDATE, "a candidate")
        return cls(data["dims"], data["blocks"], data["layers"], data["resolution"])

    @property
    def digest(self) -> str:
        """Hexadecimal content hash (16 digits), equal for equal networks and stable between runs."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Candidate):
            return NotImplemented
        return self.to_json() == other.to_json()


@dataclass(frozen=True, slots=True)
class Selection:
    """A candidate and which units of each dim stay.

    Attributes:
        candidate: Sizes and choices.
        keep: Dim name -> indices of shape (outer, n): for each outer index (one, unless the dim is the inside of
            heads or groups) the units that stay, n being the candidate's width.
    """

    candidate: Candidate
    keep: Mapping[str, tuple[tuple[int, ...], ...]]

    def __init__(self, candidate: Candidate, keep: Mapping[str, Any]) -> None:
        rows = {name: tuple(tuple(int(i) for i in row) for row in value) for name, value in keep.items()}
        if set(rows) != set(candidate.dims):
            odd = sorted(set(rows) ^ set(candidate.dims))
            raise ValueError(f"A selection names exactly the candidate's dims, but these are in one only: {odd}.")
        for name, value in rows.items():
            width = candidate.dims[name]
            if not value or any(len(row) != width or len(set(row)) != width for row in value):
                raise ValueError(f"Dim {name!r} keeps {width} distinct units, but the selection holds {value}.")
        object.__setattr__(self, "candidate", candidate)
        object.__setattr__(self, "keep", _frozen(rows))

    def to_json(self) -> dict[str, Any]:
        """Return the value as the JSON object that files hold."""
        keep = {name: [list(row) for row in rows] for name, rows in self.keep.items()}
        return {"format": CANDIDATE_FORMAT, "candidate": self.candidate.to_json(), "keep": keep}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Selection:
        """Read what `to_json` wrote; see `Candidate.from_json` for the errors."""
        _check_format(data, CANDIDATE_FORMAT, "selection")
        return cls(Candidate.from_json(data["candidate"]), data["keep"])

    def __hash__(self) -> int:
        return hash((self.candidate, tuple(self.keep.items())))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selection):
            return NotImplemented
        return self.to_json() == other.to_json()


def _check_format(data: Mapping[str, Any], known: int, what: str) -> None:
    check_shape(data, {"format": int}, f"a {what}")
    if data["format"] != known:
        raise ValueError(
            f"This version reads {what} format {known}, but the file holds format {data.get('format')!r}: "
            "read it with the version of lathe that wrote it."
        )
