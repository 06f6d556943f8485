"""What `lathe table` says of a journal, as one plain dictionary: `--json` prints it and the terminal draws it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

from hwprofiles import LatheError, get_runtime, probe
from latency_tables import NetworkRow, Predictor, SparseTableError, held_out_hit_rate

from ..stairs import stairs_content
from .opening import Opened, versions_text


def describe(opened: Opened) -> dict[str, Any]:
    """Return what `lathe table show` tells: what the table belongs to, its rows, its error, where the time goes."""
    table, header = opened.table, opened.header
    held_out, why = _held_out(opened)
    return {
        "table": str(opened.path),
        "target": header.target.slug,
        "fingerprint": header.fingerprint,
        "here": opened.fingerprint,
        "versions": dict(header.versions),
        "created": header.created,
        "last": max((row.date for row in table.rows), default=None),
        "reference_s": None if table.reference is None else table.reference.to_json(),
        "rows": len(table.rows),
        "origins": dict(Counter(row.origin for row in table.rows)),
        "networks": [_network(opened, row) for row in table.rows],
        "kernels": {"hit_rate": held_out_hit_rate(table.rows), "units_with_kernels": table.hit_rate},
        "stairs": stairs_content(table),
        "failed": [{"job": job, "reason": reason} for job, reason in table.failed.items()],
        "stale": {"records": table.stale, "versions": opened.stale},
        "foreign": sum(opened.is_foreign(row.job) for row in table.rows),
        "held_out": held_out,
        "held_out_missing": why,
        "families": _families(opened),
        "notes": [*table.notes, *_here(opened)],
    }


def _network(opened: Opened, row: NetworkRow) -> dict[str, Any]:
    source = opened.sources.get(row.job)
    raw = None if source is None or source.raw is None else source.raw.to_json()
    return {
        "job": row.job,
        "origin": row.origin,
        "ratio": row.ratio.to_json(),
        "latency_s": row.seconds.to_json(),
        "raw_s": raw,
        "fingerprint": None if source is None else source.fingerprint,
        "foreign": opened.is_foreign(row.job),
        "unstable": list(row.judgement),
        "date": row.date,
    }


def quantum_of(opened: Opened) -> int:
    """Return the channels in one block of the table's runtime.

    Raises:
        LatheError: That runtime is not in this version.
    """
    return get_runtime(opened.header.target.runtime).width_quantum(probe())


def _held_out(opened: Opened) -> tuple[dict[str, Any] | None, str | None]:
    """Return the table's own error, or why there is none."""
    try:
        predictor = Predictor.fit(opened.table, quantum=quantum_of(opened))
    except SparseTableError as exc:
        return None, str(exc)
    except LatheError as exc:
        return None, f"Predicting needs the table's runtime: {exc}"
    return predictor.held_out.to_json(), None


def _families(opened: Opened) -> list[dict[str, Any]]:
    """Return where the unpruned network's time goes, by family of units, most first; unknown ones come last."""
    baseline = next((row for row in opened.table.rows if row.origin == "baseline"), None)
    if baseline is None:
        return []
    shares: dict[str, list[float | None]] = defaultdict(list)
    for unit in baseline.units:
        shares[unit.key.family].append(unit.share)
    rows = []
    for family, values in shares.items():
        known = [share for share in values if share is not None]
        share = math.fsum(known) if known else None
        rows.append(
            {
                "family": family,
                "units": len(values),
                "unknown_units": len(values) - len(known),
                "share": share,
                "seconds": None if share is None else share * baseline.seconds.median,
            }
        )
    return sorted(rows, key=lambda row: -1.0 if row["share"] is None else row["share"], reverse=True)


def _here(opened: Opened) -> list[str]:
    """Return what is different here and now from what the table was made with."""
    notes = []
    target = opened.header.target
    try:
        runtime = get_runtime(target.runtime)
        reason = runtime.unavailable(target)
        now = None if reason else runtime.versions()
    except LatheError as exc:
        reason, now = str(exc), None
    sources = list(opened.sources.values())
    if reason:
        notes.append(f"This table's target cannot be timed here: {reason}")
    elif now is not None and sources and dict(sources[-1].versions) != now:
        notes.append(
            f"The runtime here is {versions_text(now)}, the rows are of {versions_text(sources[-1].versions)}: "
            "stale here, and a build with this runtime times them again."
        )
    if opened.header.fingerprint != opened.fingerprint:
        notes.append(f"The table is of another machine ({opened.header.fingerprint}; this is {opened.fingerprint}).")
    return notes
