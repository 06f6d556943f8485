"""Write a table for other programs: CSV or Parquet, one line a piece, each line naming the machine that timed it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]

from hwprofiles import writing_whole

from ..table import LatencyTable
from .provenance import Provenance

EXPORTS = (".csv", ".parquet")
"""Endings of files that a table can be written to."""


def marked_frame(table: LatencyTable, sources: Mapping[str, Provenance], fingerprint: str) -> pd.DataFrame:
    """Return `LatencyTable.to_frame` with the machine of each number.

    Args:
        table: The table.
        sources: Job -> where its row comes from; see `provenance`.
        fingerprint: The machine that the table is for; rows of others are marked foreign.
    """
    frame = table.to_frame()
    machines = frame["job"].map({job: source.fingerprint for job, source in sources.items()}).astype("str")
    return frame.assign(fingerprint=machines, foreign=machines != fingerprint)


def write_frame(frame: pd.DataFrame, table: LatencyTable, path: Path) -> None:
    """Write a table's frame to a file whose ending says how; it appears whole or not at all.

    Raises:
        ValueError: The ending is none of `EXPORTS`.
        OSError: The file cannot be written.
    """
    if path.suffix not in EXPORTS:
        raise ValueError(f"A table is written to a file that ends in {' or '.join(EXPORTS)}, but got {str(path)!r}.")
    with writing_whole(path) as file:
        if path.suffix == ".csv":
            frame.to_csv(file, index=False)
        else:
            pq.write_table(_arrow(frame, table), file)


def _arrow(frame: pd.DataFrame, table: LatencyTable) -> pa.Table:
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    about = {
        b"lathe.target": table.header.target.slug.encode(),
        b"lathe.fingerprint": table.header.fingerprint.encode(),
    }
    return arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **about})
