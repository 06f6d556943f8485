"""What a profile says, as one plain dictionary: `profile.json`, from which the page and the terminal are made."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from hwprofiles import Interval, format_percent, format_seconds
from latency_tables import Provenance, UnknownPieceError, held_out_hit_rate, provenance

from ...bench import reference_of
from ...graph import full
from ...graph.neighbours import neighbours
from ...graph.pieces import pieces
from ..stairs import stairs_content
from .coverage import coverage
from .work import Measured

FORMAT = 1


def describe(measured: Measured, *, model: str, inputs: Mapping[str, list[int]], time_limit_s: float) -> dict[str, Any]:
    """Return the content of `profile.json`, but for the places of its files."""
    bench, table, held_out = measured.bench, measured.table, measured.predictor.held_out
    sources = provenance(table, bench.store.read().records)
    foreign = {job for job, source in sources.items() if source.fingerprint != bench.fingerprint}
    covered = coverage(bench, table).to_json()
    return {
        "format": FORMAT,
        "model": model,
        "inputs": dict(inputs),
        "target": bench.target.slug,
        "fingerprint": bench.fingerprint,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": bench.seed,
        "rows": len(table.rows),
        "seconds": measured.seconds,
        "time_limit_s": time_limit_s,
        "networks": {"planned": measured.planned, "timed": measured.timed, "untimed": measured.untimed},
        "held_out": held_out.to_json(),
        "predictions": _predictions(measured, foreign),
        "unpredicted": list(held_out.unpredicted),
        "uncovered": covered,
        "kernels": {
            "hit_rate": held_out_hit_rate(table.rows, neighbours(bench.blueprint)),
            "units_with_kernels": table.hit_rate,
            "loose": _loose(measured),
        },
        "reference": _reference(measured, sources),
        "layers": _layers(measured),
        "stairs": stairs_content(table),
        "timed": _timed(measured, sources, foreign),
        "failed": [{"job": job, "reason": reason} for job, reason in table.failed.items()],
        "stale": table.stale,
        "foreign": len(foreign),
        "notes": list(table.notes),
        "warnings": _warnings(measured, covered, foreign),
        "versions": dict(bench.runtime.versions()),
        "hardware": bench.profile.to_json(),
        "protocol": next((dict(source.protocol) for source in sources.values()), None),
    }


def _predictions(measured: Measured, foreign: set[str]) -> list[dict[str, Any]]:
    """Return predicted and measured seconds of every network, each predicted without having been seen."""
    rows = {row.job: row for row in measured.table.rows}
    held_out = measured.predictor.held_out
    told = zip(held_out.jobs, held_out.predicted_s, held_out.measured_s, strict=True)
    return [
        {
            "job": job,
            "origin": rows[job].origin,
            "predicted_s": predicted,
            "measured_s": seconds,
            "low": rows[job].seconds.low,
            "high": rows[job].seconds.high,
            "error": predicted / seconds - 1,
            "foreign": job in foreign,
        }
        for job, predicted, seconds in sorted(told, key=lambda item: item[2])
    ]


def _loose(measured: Measured) -> float | None:
    """Return the share of the profiled time that belongs to no piece, as a median over networks."""
    values = [row.loose for row in measured.table.rows]
    return statistics.median(values) if values else None


def _reference(measured: Measured, sources: Mapping[str, Provenance]) -> dict[str, Any]:
    """Return the unpruned network's speed that seconds are quoted at, and the one it had when last timed."""
    then = reference_of(measured.table)
    dated = [source for source in sources.values() if source.baseline is not None]
    last = max(dated, key=lambda source: source.date, default=None)
    now = None if last is None else last.baseline
    baseline = next(row for row in measured.table.rows if row.origin == "baseline")
    return {
        "then": then.to_json(),
        "then_date": baseline.date,
        "now": None if now is None else now.to_json(),
        "now_date": None if last is None else last.date,
        "now_over_then": None if now is None else now.median / then.median,
        "spread": _spread([source.baseline for source in dated if source.baseline is not None]),
    }


def _spread(intervals: Sequence[Interval]) -> list[float] | None:
    """Return the least and the largest seconds that the unpruned network had in any timing of the table."""
    values = [interval.median for interval in intervals]
    return [min(values), max(values)] if values else None


def _layers(measured: Measured) -> list[dict[str, Any]]:
    """Return the unpruned network's pieces in the order in which they run; unknown seconds are None."""
    blueprint = measured.bench.blueprint
    rows: list[dict[str, Any]] = []
    for name, key in pieces(blueprint, full(blueprint)).items():
        seconds: float | None
        origin: str
        try:
            seconds, origin = measured.predictor.cell(key)
        except UnknownPieceError:
            seconds, origin = None, "unknown"
        rows.append(
            {
                "unit": name,
                "family": str(key.family),
                "width_in": key.widths[0],
                "width_out": key.widths[1],
                "seconds": seconds,
                "origin": origin,
                "share": None,
            }
        )
    total = sum(row["seconds"] or 0.0 for row in rows)
    # Cells add up to the sum that the network's time is bent from; each piece's part of it stays.
    bent = float(measured.predictor.bend.seconds(total)) / total if total else 1.0
    return [
        row if row["seconds"] is None else row | {"seconds": row["seconds"] * bent, "share": row["seconds"] / total}
        for row in rows
    ]


def _timed(measured: Measured, sources: Mapping[str, Provenance], foreign: set[str]) -> list[dict[str, Any]]:
    rows = []
    for row in measured.table.rows:
        source = sources.get(row.job)
        rows.append(
            {
                "job": row.job,
                "origin": row.origin,
                "ratio": row.ratio.to_json(),
                "latency_s": row.seconds.to_json(),
                "raw_s": None if source is None or source.raw is None else source.raw.to_json(),
                "windows": len(row.window_ratios),
                "unstable": list(row.judgement),
                "foreign": row.job in foreign,
                "date": row.date,
            }
        )
    return rows


def _warnings(measured: Measured, covered: Mapping[str, Any], foreign: set[str]) -> list[str]:
    table, warnings = measured.table, []
    if measured.untimed:
        cells, levels = covered["cells"], covered["levels"]
        warnings.append(
            f"The time limit left {measured.untimed} of {measured.planned} networks untimed. No timed network has "
            f"{cells['count']} of {cells['of']} cells ({format_percent(cells['share'], 0)}), {levels['count']} of "
            f"{levels['of']} widths of dims and {covered['families']['count']} of {covered['families']['of']} "
            "families: they are interpolated. The same command goes on from here; a longer `--time-limit` does more at "
            "once."
        )
    if covered["unknown_families"]:
        names = ", ".join(repr(name) for name in covered["unknown_families"][:3])
        warnings.append(
            f"The time of {len(covered['unknown_families'])} families of units is unknown, for the runtime ran no node "
            f"of theirs: {names}."
        )
    if table.failed:
        warnings.append(f"The runtime could not run {len(table.failed)} networks: {next(iter(table.failed.values()))}")
    unstable = sum(bool(row.judgement) for row in table.rows)
    if unstable:
        warnings.append(
            f"{unstable} of {len(table.rows)} timings call themselves unstable: other work, throttling or a drifting "
            "clock. Give the machine to Lathe alone."
        )
    if foreign:
        warnings.append(f"{len(foreign)} networks were timed by another machine; each number of theirs is marked.")
    reference = reference_of(table)
    if reference.relative_half_width > 0.05:
        text = format_seconds(reference.median)
        warnings.append(f"The unpruned network's own speed, {text}, is known to no better than 5 %: seconds are loose.")
    return warnings
