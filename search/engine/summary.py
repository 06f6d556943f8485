"""What a run answers, as the report that pages and files are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hwprofiles import Interval, Quantity, format_seconds
from latency_tables import LatencyTable, Predictor

from ..bench import Bench, in_seconds
from ..bundle import (
    Accuracy,
    Block,
    Budget,
    Compared,
    Exact,
    Frozen,
    HeldOutErrors,
    Latency,
    Measurements,
    OutOfReach,
    Part,
    Prediction,
    ProofFacts,
    Report,
    SearchFacts,
    Sizes,
    Spread,
    TableFacts,
    TargetAnswer,
    Timing,
    Trial,
    Tuning,
    Width,
    Window,
    latency_limit,
    read_value,
)
from ..config import RunConfig
from ..deploy import BASELINE, SUBNET, Verdict, Verification
from ..graph import Blueprint, Candidate, full
from . import doubts
from .finalist import Finalist
from .finish import Finished


def spread_of(interval: Interval | None) -> Spread | None:
    """Return an interval as reports hold it."""
    return None if interval is None else Spread(interval.median, interval.low, interval.high)


def opening(config: RunConfig, bench: Bench, table: LatencyTable, verdict: Verdict) -> Report:
    """Return the report of a run that ends with a verdict before any other network than the unpruned one counts."""
    budget, reference = config.budget.latency, table.reference
    answer = TargetAnswer(
        verdict,
        config.target.slug,
        budget_s=None if reference is None else in_seconds(budget, reference),
        latency_s=Latency(spread_of(reference)),
    )
    return Report(
        targets=(answer,),
        limits=(latency_limit(answer),),
        budget=Budget(_budget_text(budget), budget.kind, budget.value),
        parameters=Sizes(_parameters(bench.blueprint)),
        hardware=bench.profile.to_json(),
        versions=bench.runtime.versions(),
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        dims=widths_of(bench.blueprint, full(bench.blueprint), None),
        frozen=tuple(Frozen(item.dim, item.reason) for item in bench.blueprint.frozen),
        unknown_operators={name: tuple(nodes) for name, nodes in bench.blueprint.unknown.items()},
        table=TableFacts(len(table.rows), len(table.networks)),
        warnings=tuple(_warnings(bench, table)),
        repeat=("lathe run CONFIG.toml", "lathe verify BUNDLE"),
        proofs={"permutation": read_value(ProofFacts, bench.proof.to_json())},
    )


def _budget_text(budget: Quantity) -> str:
    return f"{100 * budget.value:g} %" if budget.kind == "fraction" else format_seconds(budget.value)


def _parameters(blueprint: Blueprint) -> int:
    return sum(parameter.numel() for parameter in blueprint.trace.module.parameters())


def widths_of(blueprint: Blueprint, baseline: Candidate, subnet: Candidate | None) -> tuple[Width, ...]:
    """Return each dim's width before and after; 0 for one that went with its block."""
    return tuple(
        Width(
            dim.name,
            dim.name.rpartition(":")[0].rpartition(".")[0],
            baseline.dims[dim.name],
            None if subnet is None else subnet.dims.get(dim.name, 0),
        )
        for dim in blueprint.dims
    )


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


def infeasible(
    opened: Report, reference: Interval, least_s: float, least: Interval | None, parts: Sequence[Mapping[str, Any]]
) -> Report:
    """Return the report of a budget below what is reachable.

    Args:
        opened: With that verdict.
        reference: Seconds of the unpruned network.
        least_s: Seconds of the fastest network.
        least: With its interval, where it was timed.
        parts: `what` its time is made of, and the `seconds` of each.
    """
    kind = "time" if opened.budget is None or opened.budget.kind is None else opened.budget.kind
    nearest = least_s if kind == "time" else least_s / reference.median
    reach = OutOfReach(
        least_s,
        spread_of(least),
        tuple(Part(part["what"], part["seconds"]) for part in parts),
        _nearest(nearest, kind),
    )
    return replace(opened, infeasible=reach)


def _nearest(value: float, kind: str) -> str:
    """Return a budget that can be reached, rounded up to what one would write."""
    if kind == "fraction":
        return f"{-(-value * 100 // 1):.0f} %"
    return format_seconds(value * 1.02)


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
    then, verification = opened.first, finished.verification
    measured = verification.measurement
    answer = replace(
        then,
        verdict=verification.verdict,
        budget_s=_budget_now(verification.budget, measured.seconds(BASELINE), then.budget_s),
        latency_s=Latency(spread_of(measured.seconds(BASELINE)), spread_of(measured.seconds(SUBNET))),
        ratio=spread_of(measured.ratio(SUBNET)),
        predicted_s=read_value(Prediction, dict(finalist.predicted)),
    )
    found = [
        *doubts.drift(then.latency_s.baseline, measured.seconds(BASELINE)),
        *doubts.few(finished.history),
    ]
    if then.budget_s is not None:
        found = [*doubts.rough(predictor, then.budget_s), *found, *doubts.unused(finalist, then.budget_s)]
    return replace(
        with_errors(opened, predictor),
        targets=(answer,),
        limits=(latency_limit(answer),),
        accuracy=Accuracy(metric, finished.accuracy[BASELINE], finished.accuracy[SUBNET], finished.examples),
        parameters=_sizes(finished.parameters),
        file_bytes=_sizes(finished.file_bytes),
        hashes=dict(verification.hashes),
        files=finished.files,
        dims=widths_of(bench.blueprint, full(bench.blueprint), finalist.candidate),
        blocks=tuple(Block(name, choice) for name, choice in finalist.candidate.blocks.items()),
        search=_search(finalist),
        finetune=read_value(Tuning, {"epochs": len(finished.history), "history": finished.history}),
        measurements=Measurements(_timing(verification)),
        predicted_vs_measured=tuple(_compared(item) for item in _distinct(finalists)),
        export_difference=finished.export_difference,
        proofs={name: read_value(ProofFacts, proof) for name, proof in finished.proofs.items()} or opened.proofs,
        warnings=(*opened.warnings, *found),
    )


def with_errors(opened: Report, predictor: Predictor) -> Report:
    """Return a report with the errors of the table that was searched by."""
    held_out = read_value(HeldOutErrors, predictor.held_out.to_json())
    return replace(opened, table=replace(opened.table or TableFacts(), held_out=held_out))


def _sizes(counts: Mapping[str, int]) -> Sizes:
    return Sizes(counts[BASELINE], counts[SUBNET])


def _budget_now(budget: Quantity, baseline: Interval | None, then: float | None) -> float | None:
    """Return a budget in seconds beside the speeds that were measured with it."""
    return then if baseline is None else in_seconds(budget, baseline)


def _search(finalist: Finalist) -> SearchFacts:
    trials = (Trial(trial.number, trial.latency_s, trial.objective, trial.origin) for trial in finalist.study.trials)
    best, exact = finalist.study.best, finalist.exact
    return SearchFacts(
        finalist.round,
        finalist.target_s,
        tuple(trials),
        None if best is None else best.number,
        None if exact.candidate is None else Exact(exact.loss, exact.latency_s, max(exact.bound, 0.0)),
    )


def _timing(verification: Verification) -> Timing:
    stored = verification.measurement.to_json()
    windows = zip(stored["windows"][BASELINE], stored["windows"][SUBNET], strict=True)
    return Timing(
        tuple(Window(base, own) for base, own in windows),
        tuple(verification.reasons),
        stored["conditions"],
        stored["protocol"],
        tuple(stored["notes"]),
    )


def _distinct(finalists: Sequence[Finalist]) -> list[Finalist]:
    """Return the finalists without those that an earlier round ended with, too."""
    first: dict[Candidate, Finalist] = {}
    for finalist in finalists:
        first.setdefault(finalist.candidate, finalist)
    return list(first.values())


def _compared(finalist: Finalist) -> Compared:
    measured = finalist.measured
    what = f"finalist of round {finalist.round + 1}"
    return Compared(what, finalist.estimate_s, measured.median, measured.low, measured.high)
