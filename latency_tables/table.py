"""A latency table: what the timings of many networks on one target say, at one reference speed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]

from hwprofiles import Interval, writing_whole

from .journal import BASELINE, Header, Origin
from .keys import PieceKey
from .stairs import Stairs


@dataclass(frozen=True, slots=True)
class PieceRow:
    """One piece of one timed network.

    Attributes:
        name: Its name in that network.
        key: What it computes.
        share: Its share of the network's time; None where the runtime's profile does not say.
        profiled_s: Seconds of its nodes in the profile, which are longer than real ones; None as for `share`.
        operators: The runtime's operators that it became, in order; empty where the profile does not say.
    """

    name: str
    key: PieceKey
    share: float | None
    profiled_s: float | None = None
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """One timed network.

    Attributes:
        job: Content hash of its structure.
        origin: Why it was timed.
        ratio: Time relative to the baseline, paired window by window; exactly 1 for the baseline itself.
        seconds: `ratio` at the table's reference speed.
        window_ratios: The ratio in each window, in order of time.
        pieces: Its pieces.
        hit_rate: Share of its pieces that the runtime's profile has a node for.
        loose: Share of its profiled time that belongs to no piece.
        judgement: Why the timing calls itself unstable; empty where it does not.
        date: ISO 8601 date in UTC.
        raw_s: Median seconds of its windows as the machine ran then; None where that was not kept.
        slowdown: Logarithm of how many times as long the unpruned network took beside it as for the reference; 0 where
            another machine timed the reference: its pace says nothing of this one's.
    """

    job: str
    origin: Origin
    ratio: Interval
    seconds: Interval
    window_ratios: tuple[float, ...]
    pieces: tuple[PieceRow, ...]
    hit_rate: float
    loose: float
    judgement: tuple[str, ...]
    date: str
    raw_s: float | None = None
    slowdown: float = 0.0


@dataclass(frozen=True, slots=True)
class LatencyTable:
    """Hold the usable rows of one journal and count the others.

    Attributes:
        header: Target, machine and versions that the journal was begun with.
        reference: Seconds of the baseline when it was first timed; None where no usable row says it.
        rows: Networks timed with the runtime's present versions, the baseline first.
        failed: Job -> why the runtime could not run it.
        stale: Records of other versions of the runtime: kept in the journal, not used.
        notes: One sentence for each thing that a reader should know.
        stairs: Class of operators -> what its sweep saw.
    """

    header: Header
    reference: Interval | None
    rows: tuple[NetworkRow, ...]
    failed: Mapping[str, str]
    stale: int
    notes: tuple[str, ...]
    stairs: Mapping[str, Stairs] = field(default_factory=dict)

    @property
    def networks(self) -> tuple[NetworkRow, ...]:
        """Rows of subnets: all but the baseline."""
        return tuple(row for row in self.rows if row.origin != BASELINE)

    @property
    def hit_rate(self) -> float | None:
        """Share of all pieces that the runtime's profiles have a node for; None without rows."""
        sizes = [len(row.pieces) for row in self.rows]
        hits = sum(row.hit_rate * size for row, size in zip(self.rows, sizes, strict=True))
        return hits / sum(sizes) if sum(sizes) else None

    def to_frame(self) -> pd.DataFrame:
        """Return one line a piece of each network; times in seconds at the reference speed."""
        return pd.DataFrame([line for row in self.rows for line in _lines(row)], columns=list(_COLUMNS)).astype(
            _COLUMNS
        )

    def to_csv(self, path: str | Path) -> None:
        """Write `to_frame` as CSV; the file appears whole or not at all."""
        with writing_whole(path) as file:
            self.to_frame().to_csv(file, index=False)

    def to_parquet(self, path: str | Path) -> None:
        """Write `to_frame` as Parquet, with what the table belongs to in the file's metadata."""
        table = pa.Table.from_pandas(self.to_frame(), preserve_index=False)
        about = {
            b"lathe.target": self.header.target.slug.encode(),
            b"lathe.fingerprint": self.header.fingerprint.encode(),
        }
        with writing_whole(path) as file:
            pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **about}), file)


_COLUMNS = {
    "job": "str",
    "origin": "str",
    "network_ratio": "float64",
    "network_s": "float64",
    "network_low_s": "float64",
    "network_high_s": "float64",
    "unit": "str",
    "family": "str",
    "width_in": "int64",
    "width_out": "int64",
    "share": "float64",
    "unit_s": "float64",
    "windows": "int64",
    "stable": "bool",
    "date": "str",
}


def _lines(row: NetworkRow) -> Iterable[tuple[object, ...]]:
    network = (row.job, row.origin, row.ratio.median, row.seconds.median, row.seconds.low, row.seconds.high)
    about = (len(row.window_ratios), not row.judgement, row.date)
    for piece in row.pieces:
        share = math.nan if piece.share is None else piece.share
        yield (
            *network,
            piece.name,
            str(piece.key.family),
            *piece.key.widths,
            share,
            share * row.seconds.median,
            *about,
        )
