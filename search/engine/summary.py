"""What a run answers, as the JSON that reports are made of.

Format history of report.json: 1 (2026-11): first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hwprofiles import Interval, Quantity, format_percent, format_seconds
from latency_tables import LatencyTable, Predictor

from ..bench import Bench, in_seconds
from ..config import RunConfig
from ..deploy import BASELINE, SUBNET
from ..graph import Blueprint, Candidate, full
from .aiming import USED
from .finalist import Finalist
from .finish import Finished

REPORT_FORMAT = 1

ROUGH_TABLE = 0.10
"""Mean error of a table near the budget above which a report warns."""

FEW_STEPS = 50
"""Steps of a fine-tuning below which it is said how many there were."""

Report = dict[str, Any]


def interval_json(interval: Interval | None) -> dict[str, float] | None:
    """Return an interval as reports hold it."""
    return None if interval is None else {"median": interval.median, "low": interval.low, "high": interval.high}


def opening(config: RunConfig, bench: Bench, table: LatencyTable) -> Report:
    """Return the parts of a report that every verdict has."""
    budget = config.budget.latency
    reference = table.reference
    return {
        "format": REPORT_FORMAT,
        "budget": {"text": _budget_text(budget), "kind": budget.kind, "value": budget.value},
        "budget_s": None if reference is None else in_seconds(budget, reference),
        "latency_s": {BASELINE: interval_json(reference), SUBNET: None},
        "ratio": None,
        "predicted_s": None,
        "accuracy": None,
        "parameters": {BASELINE: _parameters(bench.blueprint), SUBNET: None},
        "file_bytes": None,
        "hashes": None,
        "files": None,
        "target": config.target.slug,
        "hardware": bench.profile.to_json(),
        "versions": bench.runtime.versions(),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dims": dims_of(bench.blueprint, full(bench.blueprint), None),
        "blocks": [],
        "frozen": [{"dim": item.dim, "reason": item.reason} for item in bench.blueprint.frozen],
        "unknown_operators": {name: list(nodes) for name, nodes in bench.blueprint.unknown.items()},
        "table": {"rows": len(table.rows), "networks": len(table.networks), "held_out": None},
        "search": None,
        "finetune": None,
        "measurements": None,
        "predicted_vs_measured": [],
        "warnings": _warnings(bench, table),
        "repeat": ["lathe run CONFIG.toml", "lathe verify BUNDLE"],
        "infeasible": None,
        "proofs": {"permutation": bench.proof.to_json()},
    }


def _budget_text(budget: Quantity) -> str:
    return f"{100 * budget.value:g} %" if budget.kind == "fraction" else format_seconds(budget.value)


def _parameters(blueprint: Blueprint) -> int:
    return sum(parameter.numel() for parameter in blueprint.trace.module.parameters())


def dims_of(blueprint: Blueprint, baseline: Candidate, subnet: Candidate | None) -> list[dict[str, Any]]:
    """Return each dim's width before and after; 0 for one that went with its block."""
    return [
        {
            "name": dim.name,
            "layer": dim.name.rpartition(":")[0].rpartition(".")[0],
            "baseline": baseline.dims[dim.name],
            "subnet": None if subnet is None else subnet.dims.get(dim.name, 0),
        }
        for dim in blueprint.dims
    ]


def _warnings(bench: Bench, table: LatencyTable) -> list[str]:
    traced = bench.blueprint.trace
    found = [
        *table.notes,
        *(note for note in traced.notes if traced.static_batch is None or traced.static_batch not in note),
    ]
    for name, nodes in bench.blueprint.unknown.items():
        found.append(f"Operator {name} has no rule yet; what it touches was not cut ({len(nodes)} calls).")
    if bench.blueprint.trace.static_batch is not None:
        found.append(f"The network was analysed with a fixed batch: {bench.blueprint.trace.static_batch}.")
    found += [f"The runtime could not run {job}: {message}" for job, message in table.failed.items()]
    return found


def infeasible(opened: Report, least_s: float, least: Mapping[str, float] | None, parts: Sequence[Report]) -> Report:
    """Return the report of a budget below what is reachable."""
    kind, reference = opened["budget"]["kind"], opened["latency_s"][BASELINE]["median"]
    nearest = least_s if kind == "time" else least_s / reference
    return {
        **opened,
        "verdict": "infeasible",
        "infeasible": {
            "least_latency_s": least_s,
            "least_interval_s": least,
            "holds_up": list(parts),
            "nearest_budget": _nearest(nearest, kind),
        },
    }


def _nearest(value: float, kind: str) -> str:
    """Return a budget that can be reached, rounded up to what one would write."""
    if kind == "fraction":
        return f"{-(-value * 100 // 1):.0f} %"
    return format_seconds(value * 1.02)


def unneeded(opened: Report) -> Report:
    """Return the report of a budget that the unpruned network meets."""
    return {**opened, "verdict": "unneeded"}


def answered(
    opened: Report,
    bench: Bench,
    predictor: Predictor,
    finalists: Sequence[Finalist],
    finalist: Finalist,
    finished: Finished,
    metric: str,
) -> Report:
    """Return the report of `finalist`, one of `finalists`: the network that was cut, tuned, exported and timed."""
    verification = finished.verification
    measured = verification.measurement
    report = {
        **opened,
        "verdict": verification.verdict,
        "budget_s": _budget_now(verification.budget, measured.seconds(BASELINE), opened["budget_s"]),
        "latency_s": {name: interval_json(measured.seconds(name)) for name in (BASELINE, SUBNET)},
        "ratio": interval_json(measured.ratio(SUBNET)),
        "predicted_s": dict(finalist.predicted),
        "accuracy": {"name": metric, **finished.accuracy, "n": finished.examples},
        "parameters": finished.parameters,
        "file_bytes": finished.file_bytes,
        "hashes": dict(verification.hashes),
        "files": finished.files,
        "dims": dims_of(bench.blueprint, full(bench.blueprint), finalist.candidate),
        "blocks": [{"name": name, "choice": choice} for name, choice in finalist.candidate.blocks.items()],
        "table": {**opened["table"], "held_out": predictor.held_out.to_json()},
        "search": _search(finalist),
        "finetune": {"epochs": len(finished.history), "history": finished.history},
        "measurements": {"verify": _measurement(verification.measurement.to_json(), verification.reasons)},
        "predicted_vs_measured": [_compared(item) for item in _distinct(finalists)],
        "export_difference": finished.export_difference,
        "proofs": finished.proofs or opened["proofs"],
    }
    doubts = [
        *_rough(predictor, opened["budget_s"]),
        *_drift(opened, measured.seconds(BASELINE)),
        *_few(finished.history),
        *_unused(finalist, opened["budget_s"]),
    ]
    return {**report, "warnings": [*opened["warnings"], *doubts]}


def _rough(predictor: Predictor, budget_s: float) -> list[str]:
    """Warn when the table predicts badly where it was used, as it does when other work ran while it was built."""
    near = predictor.held_out.near(budget_s)
    if near.mape <= ROUGH_TABLE:
        return []
    return [
        f"The latency table errs by {format_percent(near.mape)} on unseen networks near the budget, so the search was "
        "led badly, though the answer was timed. Give the machine to the run alone, and begin again in a new folder."
    ]


def _few(history: Sequence[Report]) -> list[str]:
    """Warn when the network was hardly trained."""
    steps = sum(int(epoch["steps"]) for epoch in history)
    if steps >= FEW_STEPS:
        return []
    return [
        f"The fine-tuning took {steps} steps in all, which is little for a network that was cut: more `epochs`, or a "
        "smaller `batch_size`, may raise its score."
    ]


def _unused(finalist: Finalist, budget_s: float) -> list[str]:
    """Say when the answer leaves some of its budget unused: no better network was found between."""
    if finalist.measured.high >= USED * budget_s:
        return []
    return [
        f"The answer uses {format_percent(finalist.measured.high / budget_s)} of the budget: of the networks that were "
        "timed, none inside it was found to lose less."
    ]


def _budget_now(budget: Quantity, baseline: Interval | None, then: float | None) -> float | None:
    """Return a budget in seconds beside the speeds that were measured with it."""
    return then if baseline is None else in_seconds(budget, baseline)


def _search(finalist: Finalist) -> Report:
    trials = [
        {
            "number": trial.number,
            "predicted_s": trial.latency_s,
            "objective": trial.objective,
            "origin": trial.origin,
        }
        for trial in finalist.study.trials
    ]
    best = finalist.study.best
    exact = finalist.exact
    return {
        "round": finalist.round,
        "target_s": finalist.target_s,
        "trials": trials,
        "best": None if best is None else best.number,
        "exact": None
        if exact.candidate is None
        else {"loss": exact.loss, "latency_s": exact.latency_s, "bound": max(exact.bound, 0.0)},
    }


def _measurement(stored: Report, reasons: Sequence[str]) -> Report:
    windows = [
        {BASELINE: base, SUBNET: own}
        for base, own in zip(stored["windows"][BASELINE], stored["windows"][SUBNET], strict=True)
    ]
    return {
        "windows": windows,
        "judgement": list(reasons),
        "conditions": stored["conditions"],
        "protocol": stored["protocol"],
        "notes": stored["notes"],
    }


def _distinct(finalists: Sequence[Finalist]) -> list[Finalist]:
    """Return the finalists without those that an earlier round ended with, too."""
    first: dict[Candidate, Finalist] = {}
    for finalist in finalists:
        first.setdefault(finalist.candidate, finalist)
    return list(first.values())


def _compared(finalist: Finalist) -> Report:
    return {
        "what": f"finalist of round {finalist.round + 1}",
        "predicted_s": finalist.predicted["estimate"],
        "measured_s": finalist.measured.median,
        "low": finalist.measured.low,
        "high": finalist.measured.high,
    }


def _drift(opened: Report, now: Interval | None) -> list[str]:
    """Warn when the unpruned network's speed has left the interval that the table recorded."""
    then = opened["latency_s"][BASELINE]
    if now is None or then is None or (now.low <= then["high"] and then["low"] <= now.high):
        return []
    return [
        f"The machine's speed has changed since the table was built: the unpruned network took "
        f"{format_seconds(then['median'])} then and {format_seconds(now.median)} now. Ratios move less, but those of "
        "small networks by up to a tenth and more, so the table may have led the search badly, though the answer was "
        "timed. Where predicted and measured are far apart, begin again in a new folder."
    ]
