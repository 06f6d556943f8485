"""Where the numbers of a table come from: the journal line behind each row, with its machine and its raw seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hwprofiles import Interval

from ..table import LatencyTable
from .record import BASELINE, SUBNET, Record


@dataclass(frozen=True, slots=True)
class Provenance:
    """Say where one row of a table comes from.

    Attributes:
        fingerprint: The machine that timed it.
        versions: Versions of the runtime at that time.
        date: ISO 8601 date in UTC.
        raw: Seconds of the network as the clock showed them; None for too few windows.
        baseline: Seconds of the baseline in the same windows; None for too few windows.
        protocol: How it was timed: field -> value.
    """

    fingerprint: str
    versions: Mapping[str, str]
    date: str
    raw: Interval | None
    baseline: Interval | None
    protocol: Mapping[str, object]


def provenance(table: LatencyTable, records: Iterable[Record]) -> dict[str, Provenance]:
    """Return job -> where its row comes from.

    Args:
        table: A table.
        records: Those of its journal, in the order of the file.
    """
    dates = {row.job: row.date for row in table.rows}
    found = {}
    for record in records:
        if record.measurement is None or dates.get(record.job) != record.date:
            continue
        measured = record.measurement
        name = BASELINE if record.origin == BASELINE else SUBNET
        found[record.job] = Provenance(
            record.fingerprint,
            record.versions,
            record.date,
            measured.seconds(name),
            measured.seconds(BASELINE),
            measured.protocol.to_json(),
        )
    return found
