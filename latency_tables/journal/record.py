"""The lines of a table's journal: one header, then one record a job or a swept class of operators.

A record keeps what was seen, not what was concluded: the raw windows of the timing, the runtime's own node times and
the names that say which node belongs to which piece. Ratios, shares and seconds are computed when a table is read.

Format history of the journal: 1 (2026-11): header {format, target, fingerprint, versions, created}; records of
kind "network" (with measurement, nodes, and pieces as `units`) and "failed" (with message). 2 (2026-11): records of
kind "stairs" too (what the sweep over one class of operators saw); a journal that was begun as format 1 may hold them
as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

from hwprofiles import Measurement, NodeTime, Target, check_shape, shown

from ..errors import CorruptTableError
from ..keys import PieceKey
from ..stairs import Stairs

TABLE_FORMAT = 2

READABLE_FORMATS = (1, 2)

BASELINE: Final = "baseline"
SUBNET: Final = "subnet"

Origin = Literal["baseline", "level", "holdout", "finalist"]
"""Why a network was timed: as the canary, to fill cells, to check predictions before it fills cells, or as a candidate
to be proven."""

PieceNodes = Mapping[str, tuple[PieceKey, tuple[str, ...]]]
"""Piece name -> its key, and the names of the values that its nodes produce."""


_MADE: Mapping[str, Any] = {"fingerprint": str, "versions": {str: str}, "date": str}

_HEADER: Mapping[str, Any] = {"target": str, "fingerprint": str, "versions": {str: str}, "created": str}

_RECORD: Mapping[str, Any] = {
    "kind": frozenset({"network", "failed"}),
    "job": str,
    "origin": frozenset(get_args(Origin)),
    "units": {str: {"family": str, "widths": [int], "values": [str]}},
    **_MADE,
}


@dataclass(frozen=True, slots=True)
class Header:
    """Say what a journal belongs to.

    Attributes:
        target: What was timed on.
        fingerprint: The machine, as `HardwareProfile.fingerprint` gives it.
        versions: Versions of the runtime and what it stands on, when the journal was begun.
        created: ISO 8601 date in UTC.
    """

    target: Target
    fingerprint: str
    versions: Mapping[str, str]
    created: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", _frozen(self.versions))

    def to_json(self) -> dict[str, Any]:
        """Return the header as the JSON object of the journal's first line."""
        return {
            "format": TABLE_FORMAT,
            "target": self.target.slug,
            "fingerprint": self.fingerprint,
            "versions": dict(self.versions),
            "created": self.created,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Header:
        """Read what `to_json` wrote.

        Raises:
            CorruptTableError: The format is not one that this version reads.
            ValueError: It is no header.
        """
        check_shape(data, {"format": int}, "a header")
        if data["format"] not in READABLE_FORMATS:
            known = " and ".join(map(str, READABLE_FORMATS))
            raise CorruptTableError(
                f"This version reads table formats {known}, but the journal holds format {shown(data['format'])}: "
                "read it with the version of lathe that wrote it."
            )
        check_shape(data, _HEADER, "a header")
        return cls(Target.parse(data["target"]), data["fingerprint"], data["versions"], data["created"])


@dataclass(frozen=True, slots=True)
class Record:
    """Hold what one job gave: a timing with its profile, or the reason why there is none.

    Attributes:
        job: Content hash of the network's structure.
        origin: Why it was timed.
        fingerprint: The machine that timed it.
        versions: Versions of the runtime at that time.
        date: ISO 8601 date in UTC.
        pieces: The network's pieces and the values that their nodes produce.
        measurement: Raw windows of `subnet` and `baseline`; None for a failed job.
        nodes: Mean seconds of each node of the runtime, from a run separate from the timing.
        message: Why the job failed; empty where it did not.
    """

    job: str
    origin: Origin
    fingerprint: str
    versions: Mapping[str, str]
    date: str
    pieces: PieceNodes
    measurement: Measurement | None = None
    nodes: tuple[NodeTime, ...] = ()
    message: str = ""

    def __post_init__(self) -> None:
        if self.origin not in get_args(Origin):
            raise ValueError(
                f"An origin is one of {get_args(Origin)}, but job {shown(self.job)} has {shown(self.origin)}."
            )
        if (self.measurement is None) != bool(self.message):
            raise ValueError(f"A record holds a measurement or a failure's message, not both: job {shown(self.job)}.")
        object.__setattr__(self, "versions", _frozen(self.versions))
        object.__setattr__(self, "pieces", MappingProxyType(dict(self.pieces)))

    @property
    def failed(self) -> bool:
        """Whether the runtime could not run the job."""
        return self.measurement is None

    def to_json(self) -> dict[str, Any]:
        """Return the record as the JSON object of one journal line."""
        head = {
            "kind": "failed" if self.failed else "network",
            "job": self.job,
            "origin": self.origin,
            "fingerprint": self.fingerprint,
            "versions": dict(self.versions),
            "date": self.date,
            "units": {n: {**key.to_json(), "values": list(values)} for n, (key, values) in self.pieces.items()},
        }
        if self.measurement is None:
            return {**head, "message": self.message}
        nodes = [[node.name, node.operator, node.seconds] for node in self.nodes]
        return {**head, "nodes": nodes, "measurement": self.measurement.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The kind is unknown, a field is missing, or a value is not legal.
        """
        check_shape(data, _RECORD, "a record")
        failed = data["kind"] == "failed"
        check_shape(data, {"message": str} if failed else {"nodes": [[(str, float)]]}, "a record")
        return cls(
            job=data["job"],
            origin=cast(Origin, data["origin"]),
            fingerprint=data["fingerprint"],
            versions=data["versions"],
            date=data["date"],
            pieces={n: (PieceKey.from_json(u), tuple(u["values"])) for n, u in data["units"].items()},
            measurement=None if failed else Measurement.from_json(data["measurement"]),
            nodes=() if failed else tuple(map(_node, data["nodes"])),
            message=data["message"] if failed else "",
        )


@dataclass(frozen=True, slots=True)
class StairsRecord:
    """Hold what the sweep over one class of operators saw.

    Attributes:
        stairs: Ratios of the widths that were timed.
        fingerprint: The machine that timed them.
        versions: Versions of the runtime at that time.
        date: ISO 8601 date in UTC.
    """

    stairs: Stairs
    fingerprint: str
    versions: Mapping[str, str]
    date: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", _frozen(self.versions))

    def to_json(self) -> dict[str, Any]:
        """Return the record as the JSON object of one journal line."""
        return {
            "kind": "stairs",
            "fingerprint": self.fingerprint,
            "versions": dict(self.versions),
            "date": self.date,
            "stairs": self.stairs.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StairsRecord:
        """Read what `to_json` wrote.

        Raises:
            ValueError: A field is missing, or a value is not legal.
        """
        check_shape(data, {**_MADE, "stairs": object}, "a record")
        return cls(Stairs.from_json(data["stairs"]), data["fingerprint"], data["versions"], data["date"])


def _node(data: list[Any]) -> NodeTime:
    name, operator, seconds = data
    if not (isinstance(name, str) and isinstance(operator, str)):
        raise ValueError(f"A node has two names and its seconds, but got {data}.")
    return NodeTime(name, operator, float(seconds))


def _frozen(versions: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name: versions[name] for name in sorted(versions)})
