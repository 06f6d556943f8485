"""Make a table of what a journal holds: which records count, and what they say at the reference speed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hwprofiles import Interval, Measurement, format_seconds, median, probe, shown

from ..errors import CorruptTableError, ForeignTableError
from ..fit import attribute
from ..stairs import Stairs
from ..table import LatencyTable, NetworkRow, PieceRow
from .record import BASELINE, SUBNET, Header, Record, StairsRecord
from .store import Contents, Store

UNEVEN = 1.2
"""Slow over fast speed of the machine from which a table says so. At 1.4, ratios of networks a tenth as long as the
unpruned one were up to a fifth higher (see `pace`)."""


def read_table(
    path: str | Path,
    *,
    fingerprint: str | None = None,
    versions: Mapping[str, str] | None = None,
    allow_foreign: bool = False,
) -> LatencyTable:
    """Read a table from its journal; the file stays as it is.

    Args:
        path: The journal.
        fingerprint: The machine that the table is for; by default this one.
        versions: The runtime's present versions; by default those of the journal's last record.
        allow_foreign: Whether rows of other machines may be used.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptTableError: It has no readable header, or is of an unknown format.
        ForeignTableError: It is of another machine, and `allow_foreign` does not hold.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"A table is read from a journal, but {path} does not exist: build it first.")
    contents = Store(path).read()
    if contents.header is None:
        raise CorruptTableError(f"{path} ends before its header does: nothing is in it, so build the table anew.")
    own = fingerprint if fingerprint is not None else probe().fingerprint_for(contents.header.target.device)
    check_machine(contents.header, own, allow_foreign)
    return assemble(contents, contents.header, own, versions, allow_foreign)


def check_machine(header: Header, fingerprint: str, allow_foreign: bool) -> None:
    """Refuse another machine's table.

    Raises:
        ForeignTableError: The fingerprints differ and `allow_foreign` does not hold.
    """
    if header.fingerprint != fingerprint and not allow_foreign:
        raise ForeignTableError(
            f"A table holds for the machine it was measured on, but it has {shown(header.fingerprint)} and this is "
            f"{shown(fingerprint)}: build one here, or allow foreign tables and verify what they lead to."
        )


def assemble(
    contents: Contents, header: Header, fingerprint: str, versions: Mapping[str, str] | None, allow_foreign: bool
) -> LatencyTable:
    """Make a table of the records that count; arguments as in `read_table`."""
    now = dict(versions) if versions is not None else _last_versions(contents, header)
    fresh = [r for r in contents.records if dict(r.versions) == now]
    usable = [r for r in fresh if allow_foreign or r.fingerprint == fingerprint]
    latest = {record.job: record for record in usable}.values()
    swept = [r for r in contents.stairs if dict(r.versions) == now]
    machines = [r.fingerprint for r in fresh] + [r.fingerprint for r in swept]
    stairs = {r.stairs.kind: r.stairs for r in swept if allow_foreign or r.fingerprint == fingerprint}
    stale = len(contents.records) + len(contents.stairs) - len(fresh) - len(swept)
    reference, its_machine = _reference(latest)
    found = [
        (r, _row(r, r.measurement, reference, r.fingerprint == its_machine))
        for r in latest
        if r.measurement is not None and reference
    ]
    rows = sorted((row for _, row in found if row is not None), key=lambda row: row.origin != BASELINE)
    foreign = sum(machine != fingerprint for machine in machines)
    short = [record.job for record, row in found if row is None]
    notes = (
        *contents.notes,
        *_notes(stale, now, foreign, allow_foreign, short, reference is None),
        *_unsteady(stairs.values()),
        *_uneven(reference, rows),
    )
    failed = {r.job: r.message for r in latest if r.failed}
    return LatencyTable(header, reference, tuple(rows), failed, stale, notes, stairs)


def _last_versions(contents: Contents, header: Header) -> dict[str, str]:
    last: list[Record | StairsRecord] = [*contents.records[-1:], *contents.stairs[-1:]]
    return dict(max(last, key=lambda record: record.date).versions if last else header.versions)


def _notes(
    stale: int, versions: Mapping[str, str], foreign: int, allow_foreign: bool, short: list[str], no_reference: bool
) -> list[str]:
    notes = []
    if stale:
        notes.append(f"Records of other runtime versions than {dict(versions)}: {stale}, kept but not used.")
    if foreign:
        notes.append(f"Records of another machine: {foreign}, {'used, as asked' if allow_foreign else 'not used'}.")
    if short:
        notes.append(f"Networks with too few windows for an interval: {len(short)}, not used ({', '.join(short)}).")
    if no_reference:
        notes.append("The unpruned network's speed is not known for these versions, so no row counts: build once more.")
    return notes


def _unsteady(stairs: Iterable[Stairs]) -> list[str]:
    kinds = [repr(one.kind) for one in stairs if one.is_unsteady]
    if not kinds:
        return []
    return [
        f"The machine was too busy to see the steps of {len(kinds)} classes of operators ({', '.join(kinds)}), so "
        "their widths on offer may be too few: build into another file when it is quiet."
    ]


def _uneven(reference: Interval | None, rows: Sequence[NetworkRow]) -> list[str]:
    """Say when the machine's speed changed while networks were timed: ratios depend on it, a little."""
    if reference is None or not rows:
        return []
    # The middle four fifths: a burst beside one network is that network's own matter.
    fast, slow = np.quantile([row.slowdown for row in rows], (0.1, 0.9)).tolist()
    fast, slow = (reference.median * math.exp(end) for end in (min(fast, 0.0), max(slow, 0.0)))
    if slow < UNEVEN * fast:
        return []
    return [
        f"The machine's speed changed while the table was built: the unpruned network took from {format_seconds(fast)} "
        f"to {format_seconds(slow)}. Slow states slow small networks down more. Ratios are corrected for that, but not "
        "exactly: where predictions are off, build into another file when the machine is quiet."
    ]


def _reference(records: Iterable[Record]) -> tuple[Interval | None, str | None]:
    """Return the unpruned network's speed, and the fingerprint of the machine that had it."""
    for record in records:
        if record.origin == BASELINE and record.measurement is not None:
            return record.measurement.seconds(BASELINE), record.fingerprint
    return None, None


def _row(record: Record, measurement: Measurement, reference: Interval, is_own: bool) -> NetworkRow | None:
    """Return the network's row; None where its windows are too few for an interval."""
    is_baseline = record.origin == BASELINE
    ratio = Interval(1.0, 1.0, 1.0) if is_baseline else measurement.ratio(SUBNET)
    if ratio is None:
        return None
    shares = attribute(record.pieces, record.nodes)
    raw_s = median(measurement.windows[BASELINE if is_baseline else SUBNET])
    unpruned_s = raw_s / ratio.median if ratio.median > 0 else 0.0
    return NetworkRow(
        job=record.job,
        origin=record.origin,
        ratio=ratio,
        seconds=ratio.times(reference.median),
        window_ratios=() if is_baseline else measurement.ratios(SUBNET),
        pieces=tuple(
            PieceRow(name, key, shares.pieces.get(name), shares.seconds.get(name), shares.operators.get(name, ()))
            for name, (key, _) in record.pieces.items()
        ),
        hit_rate=shares.hit_rate,
        loose=shares.loose,
        judgement=tuple(measurement.judgement),
        date=record.date,
        raw_s=raw_s,
        slowdown=math.log(unpruned_s / reference.median) if is_own and unpruned_s > 0 else 0.0,
    )
