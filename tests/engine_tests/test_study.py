from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from search.graph import Candidate
from search.solve import propose
from search.space import BlockKnob, PieceCells, SearchSpace, WidthKnob
from search.study import (
    CorruptStudyError,
    StudyBusyError,
    StudyMismatchError,
    StudyResult,
    StudySettings,
    TrialRecord,
    run_study,
)

from .worker import TRIALS, objective_of, starts_of, work, worker_budget, worker_space


def line_space(*, blocks: bool = False) -> SearchSpace:
    """Two dims whose seconds are their widths, and on request two blocks that cost 2 and 3 seconds."""
    knobs = tuple(WidthKnob(name, tuple(range(1, 9))) for name in ("a", "b"))
    units = [PieceCells(name, name, None, np.arange(1.0, 9.0)[:, None]) for name in ("a", "b")]
    if not blocks:
        return SearchSpace(knobs, (), tuple(units))
    units += [PieceCells(name, None, None, np.array([[cost]]), (name,)) for name, cost in (("x", 2.0), ("y", 3.0))]
    return SearchSpace(knobs, (BlockKnob("x"), BlockKnob("y")), tuple(units))


def narrow(candidate: Candidate) -> float:
    """Best where "a" is wide and "b" narrow."""
    return (candidate.dims["a"] - 7) ** 2 + candidate.dims["b"]


def study(path: Path, evaluate: Callable[[Candidate], float] = narrow, **changes: Any) -> StudyResult:
    facts: dict[str, Any] = {"path": path, "trials": 12, "seed": 0, "identity": "test", "sampler": "random"}
    facts.update(changes)
    told = {name: facts.pop(name) for name in ("trials", "seed", "identity", "sampler", "stop") if name in facts}
    facts["settings"] = StudySettings(**told)
    return run_study(facts.pop("space", line_space()), facts.pop("budget_s", 9.0), evaluate, **facts)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "study" / "journal.jsonl"


def test_the_starts_come_first_and_are_evaluated_themselves(journal: Path) -> None:
    space = worker_space()
    budget = worker_budget(space)
    starts = starts_of(space, budget)
    result = work(journal)
    assert [trial.candidate for trial in result.trials[:2]] == starts
    assert [trial.origin for trial in result.trials] == ["exact", "exact", "uniform"] + ["sampler"] * (TRIALS - 3)
    assert result.trials[2].candidate == propose(space, dict.fromkeys(space.dims, 1.0), (), budget).candidate
    assert [trial.number for trial in result.trials] == list(range(TRIALS))


def test_every_trial_is_inside_the_budget_and_the_best_is_the_best(journal: Path) -> None:
    space = worker_space()
    result = work(journal)
    for trial in result.trials:
        assert trial.latency_s == space.latency_of(trial.candidate) <= worker_budget(space)
    values = [trial.objective for trial in result.trials if trial.objective is not None]
    assert result.objective == min(values)
    assert result.best is not None
    assert result.candidate == result.best.candidate
    assert result.best in result.front


def test_no_candidate_is_evaluated_twice(journal: Path) -> None:
    calls: Counter[Candidate] = Counter()

    def evaluate(candidate: Candidate) -> float:
        calls[candidate] += 1
        return narrow(candidate)

    result = study(journal, evaluate, trials=25)
    again = study(journal, evaluate, trials=40)
    assert set(calls.values()) == {1}
    assert set(calls) == {trial.candidate for trial in again.trials}
    repeats = [trial for trial in again.trials if trial.repeats is not None]
    assert len(repeats) == 40 - len(calls) > 0
    for trial in repeats:
        assert trial.repeats is not None
        earlier = again.trials[trial.repeats]
        assert (earlier.candidate, earlier.objective, earlier.repeats) == (trial.candidate, trial.objective, None)
    assert again.trials[:25] == result.trials


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_more_trials_later_are_the_same_as_at_once(tmp_path: Path, sampler: str) -> None:
    at_once = work(tmp_path / "once.jsonl", trials=24, sampler=sampler)
    for trials in (1, 2, 7, 24):
        in_parts = work(tmp_path / "parts.jsonl", trials=trials, sampler=sampler)
        assert in_parts.trials == at_once.trials[:trials]
    assert len({trial.candidate for trial in at_once.trials}) > 10


def test_a_finished_study_is_only_read(journal: Path) -> None:
    before = work(journal)
    written = journal.read_bytes()
    assert work(journal) == before
    assert journal.read_bytes() == written


def test_other_seeds_are_other_studies(tmp_path: Path) -> None:
    first, second = (study(tmp_path / f"{seed}.jsonl", seed=seed) for seed in (0, 1))
    # Seeds are mixed: trial n + 1 of one study is not trial n of the next.
    assert [t.candidate for t in first.trials[2:]] != [t.candidate for t in second.trials[1:-1]]
    assert [t.candidate for t in first.trials] != [t.candidate for t in second.trials]


def test_progress_tells_the_new_trials_only(journal: Path) -> None:
    seen: list[TrialRecord] = []
    first = study(journal, trials=3, progress=seen.append)
    assert len(seen) == len(first.trials) == 3
    second = study(journal, trials=5, progress=seen.append)
    assert [trial.number for trial in seen] == [0, 1, 2, 3, 4]
    assert [trial.candidate for trial in seen] == [trial.candidate for trial in second.trials]


def test_an_objective_that_is_not_finite_is_a_failed_trial(journal: Path) -> None:
    calls = []

    def evaluate(candidate: Candidate) -> float:
        calls.append(candidate)
        return [float("nan"), float("inf"), -float("inf")][len(calls) % 3] if len(calls) < 4 else narrow(candidate)

    result = study(journal, evaluate, trials=20, sampler="tpe")
    failed = [trial for trial in result.trials if trial.objective is None]
    assert len({trial.candidate for trial in failed}) == 3
    assert all("must be finite, but the evaluation gave" in trial.failure for trial in failed)
    assert result.objective == min(trial.objective for trial in result.trials if trial.objective is not None)
    assert not set(failed) & set(result.front)
    assert len(calls) == len(set(calls))


def test_no_objective_at_all_is_an_answer(journal: Path) -> None:
    result = study(journal, lambda candidate: float("nan"), trials=3)
    assert (result.best, result.candidate, result.objective, result.front) == (None, None, None, ())
    assert result.reason.startswith("None of the 3 trials gave an objective")


def test_out_of_reach_is_an_answer(journal: Path) -> None:
    result = study(journal, budget_s=1.5)
    assert (result.best, result.trials) == (None, ())
    assert result.reason == "The least reachable latency is 2 s, over the budget of 1.5 s."
    assert not journal.exists()


def test_blocks_out_of_the_budgets_reach_are_removed_the_dearest_first(journal: Path) -> None:
    # The narrowest network costs 2 s, block x another 2, block y another 3.
    result = study(journal, lambda c: float(c.dims["a"]), space=line_space(blocks=True), budget_s=4.5, trials=30)
    uniform = result.trials[0]
    assert (uniform.origin, uniform.repaired, uniform.candidate.removed) == ("uniform", ("y",), frozenset("y"))
    kinds = {(trial.repaired, trial.candidate.removed) for trial in result.trials}
    # Asked for: nothing or only x removed (y follows), only y removed, both removed. Only x is within reach itself.
    assert kinds == {(("y",), frozenset("y")), ((), frozenset("y")), ((), frozenset("xy")), (("y",), frozenset("xy"))}


def test_where_one_block_is_not_enough_another_follows(journal: Path) -> None:
    result = study(journal, lambda c: 1.0, space=line_space(blocks=True), budget_s=3.5, trials=10)
    assert {trial.candidate.removed for trial in result.trials} == {frozenset("xy")}
    assert result.trials[0].repaired == ("y", "x")


def test_an_interrupted_evaluation_is_done_again(tmp_path: Path) -> None:
    undisturbed = study(tmp_path / "a.jsonl", sampler="tpe")
    calls: Counter[Candidate] = Counter()

    def evaluate(candidate: Candidate) -> float:
        calls[candidate] += 1
        if calls[candidate] == 1:
            raise KeyboardInterrupt
        return narrow(candidate)

    for _ in range(200):
        try:
            result = study(tmp_path / "b.jsonl", evaluate, sampler="tpe")
            break
        except KeyboardInterrupt:
            continue
    assert result == undisturbed
    assert set(calls.values()) == {2}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"budget_s": 8.0}, "budget_s is 9.0 there and 8.0 here"),
        ({"sampler": "tpe"}, "sampler is 'random' there and 'tpe' here"),
        ({"identity": "other"}, "identity is 'test' there and 'other' here"),
        ({"space": line_space(blocks=True)}, f"space is '{line_space().digest}' there"),
        ({"starts": (Candidate({"a": 1, "b": 1}),)}, r"starts is \[\] there"),
    ],
)
def test_a_journal_of_another_study_is_refused_by_name(journal: Path, changes: dict[str, Any], names: str) -> None:
    study(journal, trials=2)
    written = journal.read_bytes()
    with pytest.raises(StudyMismatchError, match=names) as caught:
        study(journal, trials=2, **changes)
    assert list(caught.value.differs) == list(changes)
    assert journal.read_bytes() == written


def test_a_study_of_someone_else_is_refused(journal: Path) -> None:
    journal.parent.mkdir()
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    other = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="lathe")
    other.tell(other.ask(), 1.0)
    with pytest.raises(StudyMismatchError, match="identity is None there"):
        study(journal)


def test_one_process_at_a_time(journal: Path) -> None:
    study(journal, trials=2)
    with journal.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StudyBusyError, match=r"another one holds journal\.jsonl"):
            study(journal, trials=3)
    assert len(study(journal, trials=3).trials) == 3


def test_a_lock_left_by_a_killed_process_is_cleared(journal: Path) -> None:
    study(journal, trials=2)
    lock = journal.with_name("journal.jsonl.lock")
    lock.symlink_to(journal)
    journal.with_name("journal.jsonl.lock1234.rename").symlink_to(journal)
    # Optuna alone would wait for its grace period of half a minute.
    assert len(study(journal, trials=3).trials) == 3
    assert [path.name for path in journal.parent.iterdir()] == ["journal.jsonl"]


def test_a_line_that_cannot_be_read_is_named(journal: Path) -> None:
    study(journal, trials=2)
    lines = journal.read_bytes().splitlines(keepends=True)
    for damage in (b"garbage\n", b"[1]\n", b"\x00\xff\n", b"\n"):
        journal.write_bytes(b"".join([*lines[:4], damage, *lines[5:]]))
        with pytest.raises(CorruptStudyError, match=r"line 5 of journal\.jsonl") as caught:
            study(journal, trials=3)
        assert caught.value.line == 5


@pytest.mark.parametrize("content", [b"dear diary", b'{"a": 1}\n{"b', b"name,seconds\nx,1\n"])
def test_a_file_that_is_no_journal_is_left_alone(journal: Path, content: bytes) -> None:
    journal.parent.mkdir()
    journal.write_bytes(content)
    with pytest.raises(CorruptStudyError):
        study(journal)
    assert journal.read_bytes() == content


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "at least one trial"),
        ({"seed": -1}, "seed of 0 or more"),
        ({"budget_s": float("nan")}, "finite number of seconds"),
        ({"starts": (Candidate({"a": 8, "b": 8}),)}, r"inside the budget of 9 s, but one is predicted at 16 s"),
        ({"starts": (Candidate({"a": 8}),)}, "these are odd"),
        ({"sampler": "tpee"}, "Did you mean 'tpe'"),
    ],
)
def test_misuse_is_refused_before_anything_is_written(journal: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        study(journal, **changes)
    assert not journal.exists()


def test_what_is_stored_can_be_read_with_optuna_alone(journal: Path) -> None:
    result = study(journal, trials=6, sampler="tpe", starts=(Candidate({"a": 4, "b": 2}),))
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    stored = optuna.load_study(study_name="lathe", storage=optuna.storages.JournalStorage(backend))
    for trial, record in zip(stored.trials, result.trials, strict=True):
        assert Candidate.from_json(trial.user_attrs["candidate"]) == record.candidate
        assert trial.user_attrs["latency_s"] == record.latency_s
        assert trial.user_attrs["objective"] == trial.value == record.objective
        assert trial.constraints == {"latency": record.latency_s / 9.0 - 1.0}
    assert stored.trials[0].params == {"a": 0.5, "b": 0.25}
    assert stored.best_trial.value == result.objective


def test_optuna_is_quiet_and_its_verbosity_comes_back(journal: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    study(journal, trials=3, sampler="tpe")
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_the_sampler_learns(journal: Path) -> None:
    knobs = tuple(WidthKnob(f"d{i}", tuple(range(1, 33))) for i in range(6))
    units = tuple(PieceCells(knob.dim, knob.dim, None, np.arange(1.0, 33.0)[:, None]) for knob in knobs)
    goal = (30, 4, 22, 9, 17, 14)

    def distance(candidate: Candidate) -> float:
        return float(sum(abs(candidate.dims[f"d{i}"] - wanted) for i, wanted in enumerate(goal)))

    def best(sampler: str, seed: int) -> float:
        path = journal.with_name(f"{sampler}{seed}.jsonl")
        space, settings = SearchSpace(knobs, (), units), StudySettings(60, sampler, seed, "")
        result = run_study(space, float(sum(goal)), distance, path=path, settings=settings)
        assert result.objective is not None
        return result.objective

    assert np.mean([best("tpe", seed) for seed in (0, 1)]) < np.mean([best("random", seed) for seed in (0, 1)])


def test_the_worker_has_failures_repeats_and_successes(journal: Path) -> None:
    """Keep the kill tests honest: their study must hold what could go wrong."""
    result = work(journal)
    assert {objective_of(trial.candidate) >= 0 for trial in result.trials} >= {True}
    assert any(trial.candidate.removed for trial in result.trials)
    assert any(trial.repeats is not None for trial in result.trials)
    assert any(trial.objective is None for trial in result.trials)
