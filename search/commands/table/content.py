"""What `lathe table` says of a journal, as one plain dictionary: `--json` prints it and the terminal draws it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

from hwprofiles import LatheError, get_runtime, probe
from latency_tables import (
    NetworkRow,
    PieceKey,
    Predictor,
    SparseTableError,
    UnknownPieceError,
    held_out_hit_rate,
)

from ..stairs import stairs_content
from .opening import Opened, versions_text

BASELINE = "baseline"
"""Origin of the unpruned network's row."""


def describe(opened: Opened) -> dict[str, Any]:
    """Return what `lathe table show` tells: what the table belongs to, its rows, its error, where the time goes."""
    table, header = opened.table, opened.header
    predictor, why = _predictor(opened)
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
        "held_out": None if predictor is None else predictor.held_out.to_json(),
        "held_out_missing": why,
        "families": _families(opened, predictor),
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


def _predictor(opened: Opened) -> tuple[Predictor | None, str | None]:
    """Fit the table's predictor, or say why that cannot be."""
    try:
        target = opened.header.target
        quantum = get_runtime(target.runtime).width_quantum(probe(), target.device)
        return Predictor.fit(opened.table, quantum=quantum), None
    except SparseTableError as exc:
        return None, str(exc)
    except LatheError as exc:
        return None, f"Predicting needs the table's runtime: {exc}"


def _families(opened: Opened, predictor: Predictor | None) -> list[dict[str, Any]]:
    """Return where the unpruned network's time goes, by family of pieces, most first; unknown ones come last.

    The cells of a predictor rest on the profiles of all networks. Without one, the unpruned network's own is all
    there is.
    """
    baseline = next((row for row in opened.table.rows if row.origin == BASELINE), None)
    if baseline is None:
        return []
    seconds: dict[str, list[float | None]] = defaultdict(list)
    for piece in baseline.pieces:
        own = None if piece.share is None else piece.share * baseline.seconds.median
        seconds[str(piece.key.family)].append(own if predictor is None else _cell(predictor, piece.key))
    known = {name: [one for one in values if one is not None] for name, values in seconds.items()}
    total = math.fsum(one for values in known.values() for one in values)
    # Cells add up to the sum that the network's time is bent from; each family's part of it stays.
    bent = 1.0 if predictor is None or not total else float(predictor.bend.seconds(total)) / total
    rows: list[dict[str, Any]] = [
        {
            "family": name,
            "units": len(values),
            "unknown_units": len(values) - len(known[name]),
            "seconds": bent * math.fsum(known[name]) if known[name] else None,
            "share": math.fsum(known[name]) / total if known[name] else None,
        }
        for name, values in seconds.items()
    ]
    return sorted(rows, key=lambda row: -1.0 if row["share"] is None else row["share"], reverse=True)


def _cell(predictor: Predictor, key: PieceKey) -> float | None:
    try:
        return predictor.cell(key)[0]
    except UnknownPieceError:
        return None


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
