"""What a run does when the clock contradicts the table, and what it answers in the end."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwprofiles import Counters, NullRuntime, Quantity, Session, Target
from latency_tables import LatencyTable, NetworkRow, Store
from search import deploy
from search.bench.bench import Bench
from search.engine import finish as finish_module
from search.engine import run
from search.engine.aiming import MOST_ROUNDS
from search.graph import Candidate, assemble

from .small import config_of, journal

Report = dict[str, Any]


class Fickle(NullRuntime):
    """A machine on which all networks but the unpruned one get slower by `penalty`, whenever that is set."""

    def __init__(self) -> None:
        super().__init__()
        self.penalty = 1.0
        self._whole_s: float | None = None

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        session = super().load(artefact, target, rng)
        seconds: float = session._total_s  # type: ignore[attr-defined]
        # The slowest file that is ever loaded is the unpruned network's; parts of it are swept before.
        self._whole_s = max(self._whole_s or 0.0, seconds)
        if seconds < 0.99 * self._whole_s:
            session._total_s = seconds * self.penalty  # type: ignore[attr-defined]
        return session


@pytest.fixture
def fickle() -> Fickle:
    return Fickle()


def slow_finalists(monkeypatch: pytest.MonkeyPatch, runtime: Fickle, penalties: list[float]) -> list[Candidate]:
    """Make the n-th finalist, and all that is timed after it, slower by the n-th penalty; return the finalists."""
    timed: list[Candidate] = []
    fill = Bench.fill

    def fill_slowly(self: Bench, candidates: list[Candidate], **options: Any) -> LatencyTable:
        if options.get("origin") == "finalist":
            runtime.penalty = penalties[min(len(timed), len(penalties) - 1)]
            timed.extend(candidates)
        return fill(self, candidates, **options)

    monkeypatch.setattr(Bench, "fill", fill_slowly)
    return timed


def slow_verification(monkeypatch: pytest.MonkeyPatch, runtime: Fickle, penalty: float) -> None:
    verify = deploy.verify

    def verify_slowly(*args: Any, **options: Any) -> Any:
        runtime.penalty = penalty
        return verify(*args, **options)

    monkeypatch.setattr(finish_module, "verify", verify_slowly)


def targets(out: Path) -> list[float]:
    """Return what each round aimed at, from the journals of its study."""
    found = []
    for number in range(MOST_ROUNDS + 1):
        path = out / f"study-{number}.log"
        if path.exists():
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            marks = [line["user_attr"]["identity"] for line in lines if "identity" in line.get("user_attr", {})]
            found.append(float(marks[0]["budget_s"]))
    return found


def check_bundle(out: Path, report: Report) -> None:
    """Check that the bundle, the report and the timing speak of one network."""
    structure = json.loads((out / "bundle" / "structure.json").read_text())
    candidate = Candidate.from_json(structure["candidate"])
    assert {row["name"]: row["subnet"] for row in report["dims"] if row["subnet"]} == dict(candidate.dims)
    assert structure["hashes"] == report["hashes"]
    assert (out / "candidates" / candidate.digest / "model.onnx").read_bytes() == (
        out / "bundle" / "model.onnx"
    ).read_bytes()


def test_a_finalist_over_the_budget_lowers_the_aim(out: Path, monkeypatch: pytest.MonkeyPatch, fickle: Fickle) -> None:
    finalists = slow_finalists(monkeypatch, fickle, [1.5])
    report = run(config_of(out), runtime=fickle).report.to_json()
    assert report["verdict"] == "met"
    assert report["ratio"]["high"] <= 0.6
    assert len(finalists) == len(set(finalists)) == len(report["predicted_vs_measured"]) >= 2
    first, second = report["predicted_vs_measured"][:2]
    assert first["high"] > report["budget_s"] >= second["high"]
    aims = targets(out)
    assert aims[1] <= aims[0] * report["budget_s"] / first["high"]
    assert all(aims[1] < aim < first["predicted_s"] for aim in aims[2:]), "up again, but not to what was over"
    assert report["search"]["round"] >= 1
    check_bundle(out, report)


def keep_blocks_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build the table from networks with most blocks, so that small networks are timed as finalists only."""
    monkeypatch.setattr(import_module("search.bench.design"), "REMOVALS", (0.0,))
    monkeypatch.setattr(
        Bench,
        "smallest",
        lambda bench: assemble(bench.blueprint, {k.dim: k.levels[0] for k in bench.widths}, [bench.blocks[0].block]),
    )


def forget_levels(monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
    """Let every finalist be timed anew, in a journal of its own: one that the table knows would not be slow."""
    row, fill = Bench.row, Bench.fill

    def finalist_row(self: Bench, table: LatencyTable, candidate: Candidate) -> NetworkRow | None:
        found = row(self, table, candidate)
        return found if found is not None and found.origin == "finalist" else None

    def fill_apart(self: Bench, candidates: list[Candidate], **options: Any) -> LatencyTable:
        apart = replace(self, store=Store(out / "finalists.jsonl")) if options.get("origin") == "finalist" else self
        return fill(apart, candidates, **options)

    monkeypatch.setattr(Bench, "row", finalist_row)
    monkeypatch.setattr(Bench, "fill", fill_apart)


def test_finalists_that_get_slower_and_slower_end_in_an_honest_no(
    out: Path, monkeypatch: pytest.MonkeyPatch, fickle: Fickle
) -> None:
    keep_blocks_in_the_table(monkeypatch)
    forget_levels(monkeypatch, out)
    finalists = slow_finalists(monkeypatch, fickle, [2.5 * 2.0**k for k in range(MOST_ROUNDS + 1)])
    report = run(config_of(out), runtime=fickle).report.to_json()
    assert report["verdict"] == "infeasible"
    assert 2 <= len(finalists) <= MOST_ROUNDS
    assert len(set(finalists)) == len(finalists)
    assert targets(out) == sorted(targets(out), reverse=True)
    reach = report["infeasible"]
    assert reach["least_latency_s"] > report["budget_s"]
    assert reach["holds_up"]
    assert report["latency_s"]["subnet"] is None
    assert not (out / "bundle" / "model.onnx").exists(), "there is no network to hand out"
    assert not (out / "candidates").exists(), "nothing was trained"


@pytest.mark.slow
def test_rounds_end_with_the_fastest_network_whatever_the_clock_says(
    out: Path, monkeypatch: pytest.MonkeyPatch, fickle: Fickle
) -> None:
    """Each miss is small, so that without a last round the aim would creep down for ever."""
    finalists = slow_finalists(monkeypatch, fickle, [1.0])
    slow_verification(monkeypatch, fickle, 4.0)
    report = run(config_of(out), runtime=fickle).report.to_json()
    assert report["verdict"] == "missed"
    assert report["ratio"]["high"] > 0.6
    aims = targets(out)
    assert 2 <= len(aims) <= MOST_ROUNDS
    assert aims[-1] == min(aims), "the last round aims as low as can be"
    assert len(set(finalists)) == len(finalists)
    check_bundle(out, report)


@pytest.mark.slow
def test_a_miss_by_the_verification_goes_on_with_another_network(
    out: Path, monkeypatch: pytest.MonkeyPatch, fickle: Fickle
) -> None:
    slow_verification(monkeypatch, fickle, 1.5)
    finalists = slow_finalists(monkeypatch, fickle, [1.0, 1.5])
    report = run(config_of(out), runtime=fickle).report.to_json()
    assert report["verdict"] == "met"
    assert report["ratio"]["high"] <= 0.6
    assert 2 <= len(finalists) == len(set(finalists))
    check_bundle(out, report)


def test_the_report_of_a_miss_is_about_the_network_that_was_proven(
    out: Path, monkeypatch: pytest.MonkeyPatch, fickle: Fickle
) -> None:
    """The first finalist is tuned and misses in the verification; the later ones never get so far."""
    keep_blocks_in_the_table(monkeypatch)
    slow_verification(monkeypatch, fickle, 1.5)
    finalists = slow_finalists(monkeypatch, fickle, [1.0, 9.0])
    report = run(config_of(out), runtime=fickle).report.to_json()
    assert report["verdict"] == "missed"
    assert report["ratio"]["high"] > 0.6
    assert 2 <= len(finalists) <= MOST_ROUNDS
    assert {path.name for path in (out / "candidates").iterdir()} == {finalists[0].digest}
    assert report["search"]["round"] == 0
    check_bundle(out, report)


def least_ratio(folder: Path) -> float:
    """Return the ratio of the smallest network on offer, which every table holds."""
    report = run(config_of(folder, budget="1 %")).report.to_json()
    assert report["verdict"] == "infeasible"
    return float(report["infeasible"]["least_latency_s"] / report["latency_s"]["baseline"]["median"])


def test_far_below_what_is_reachable_the_answer_comes_before_any_search(out: Path) -> None:
    report = run(config_of(out, budget="1 %")).report.to_json()
    assert report["verdict"] == "infeasible"
    assert len(journal(out)) == 2, "the unpruned and the smallest network"
    assert not (out / "study-0.log").exists()
    assert report["infeasible"]["least_latency_s"] > report["budget_s"]
    assert sum(part["seconds"] for part in report["infeasible"]["holds_up"]) > 0
    near = float(report["infeasible"]["nearest_budget"].removesuffix("%")) / 100
    assert near >= report["infeasible"]["least_latency_s"] / report["latency_s"]["baseline"]["median"]


def test_a_budget_that_the_unpruned_network_meets_needs_nothing(out: Path, tmp_path: Path) -> None:
    report = run(config_of(out, budget="100 %")).report.to_json()
    assert report["verdict"] == "unneeded"
    assert not (out / "study-0.log").exists()
    generous = Quantity(1.0, "time")
    assert run(config_of(out / "time", budget=generous)).report.verdict == "unneeded"


def test_a_budget_just_above_the_fastest_network_is_met_with_it(out: Path, tmp_path: Path) -> None:
    """The search stays below a budget by the table's error, but that must not make a reachable one infeasible."""
    budget = least_ratio(tmp_path / "asked") * 1.002
    report = run(config_of(out, budget=Quantity(budget, "fraction"))).report.to_json()
    assert report["verdict"] == "met"
    assert report["ratio"]["high"] <= budget
    check_bundle(out, report)
    jobs = Counter(row["job"] for row in journal(out))
    assert max(jobs.values()) == 1, "a finalist that the table has already is not stored again"


@pytest.mark.slow
def test_a_budget_just_below_the_fastest_network_is_infeasible(out: Path, tmp_path: Path) -> None:
    budget = least_ratio(tmp_path / "asked") * 0.999
    report = run(config_of(out, budget=Quantity(budget, "fraction"))).report.to_json()
    assert report["verdict"] == "infeasible"
    assert report["infeasible"]["least_latency_s"] > report["budget_s"]


@pytest.mark.slow
def test_a_budget_in_seconds_is_judged_by_seconds(out: Path, finished: Path) -> None:
    whole = json.loads((finished / "bundle" / "report.json").read_text())["latency_s"]["baseline"]["median"]
    report = run(config_of(out, budget=Quantity(whole * 0.6, "time"))).report.to_json()
    assert report["verdict"] == "met"
    assert report["budget_s"] == whole * 0.6
    assert report["latency_s"]["subnet"]["high"] <= report["budget_s"]


class Stolen(NullRuntime):
    """A machine whose hypervisor gives half of the processor to others."""

    def __init__(self) -> None:
        super().__init__()
        self._ticks = 0
        self.conditions = self._count

    def _count(self) -> Counters:
        self._ticks += 1000
        return Counters(at_s=self.clock(), wanted_ticks=self._ticks, stolen_ticks=self._ticks // 2)


def test_an_unsteady_machine_is_said_to_be_and_the_next_call_times_again(out: Path) -> None:
    first = run(config_of(out), runtime=Stolen())
    assert first.report.verdict == "unstable"
    assert any("steal" in reason for reason in first.report.doubts)
    table = (out / "table.jsonl").read_bytes()

    again = run(config_of(out), runtime=Stolen())
    assert again.fresh
    assert again.report.verdict == "unstable"

    calm = run(config_of(out))
    assert calm.fresh
    assert calm.report.verdict == "met"
    assert calm.report.doubts == ()
    assert not run(config_of(out)).fresh
    assert (out / "table.jsonl").read_bytes() == table, "what was timed for the table is not timed again"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_noisy_machine_comes_to_the_same_verdict(out: Path, seed: int) -> None:
    report = run(config_of(out), runtime=NullRuntime(noise=0.02, drift=0.05, seed=seed)).report.to_json()
    assert report["verdict"] == "met"
    assert report["ratio"]["low"] < report["ratio"]["median"] < report["ratio"]["high"] <= 0.6
