"""Jobs that share one comparison: each gets its own record, and a failing one spoils none of the others."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from hwprofiles import ArtefactError, Measurement, NodeTime, NullRuntime, Runtime, Session, Target, compare_files
from latency_tables import Store
from latency_tables.build import TOGETHER
from latency_tables.journal.record import BASELINE

from .chains import PROTOCOL, chain, job, random_widths
from .conftest import Fill

NETWORKS = random_widths(2 * TOGETHER, seed=3)


class _Watched(Session):
    def __init__(self, session: Session, crashes: bool) -> None:
        self._session = session
        self._crashes = crashes

    @property
    def input_specs(self) -> tuple[object, ...]:  # type: ignore[override]
        return self._session.input_specs

    def run(self) -> None:
        if self._crashes:
            raise ArtefactError("The runtime ran out of memory.")
        self._session.run()

    def outputs(self, feeds: object) -> object:  # type: ignore[override]
        return self._session.outputs(feeds)  # type: ignore[arg-type]

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        return self._session.profile(runs)

    def close(self) -> None:
        self._session.close()


class Crashing(NullRuntime):
    """The null runtime that loads and profiles one file, but cannot run it; and counts what it loads."""

    def __init__(self, bad: bytes = b"", noise: float = 0.0) -> None:
        super().__init__(noise=noise)
        self.bad = bad
        self.loaded: list[bytes] = []

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        assert isinstance(artefact, bytes)
        self.loaded.append(artefact)
        return _Watched(super().load(artefact, target, rng), artefact == self.bad)


class Fatal(NullRuntime):
    """The null runtime that takes its process down where a file has a width of 13."""

    native = True

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        assert isinstance(artefact, bytes)
        if any(13 in tensor.dims for tensor in onnx.load_from_string(artefact).graph.initializer):
            os.abort()
        return super().load(artefact, target, rng)


def windows(store: Store) -> dict[str, tuple[float, ...]]:
    return {r.job: r.measurement.windows["baseline"] for r in store.read().records if r.measurement is not None}


def test_jobs_of_one_comparison_share_the_baselines_windows(fill: Fill, store: Store) -> None:
    jobs = [job(widths) for widths in NETWORKS]
    fill(jobs, Crashing(noise=0.05))
    seen = windows(store)
    assert len({seen[one.key] for one in jobs[:TOGETHER]}) == 1
    assert len({seen[one.key] for one in jobs}) == 2
    for record in store.read().records[1:]:
        assert record.measurement is not None
        assert record.measurement.names == ("subnet", "baseline")


def test_a_file_that_cannot_be_loaded_is_recorded_and_the_others_are_timed(fill: Fill, store: Store) -> None:
    jobs = [job(widths) for widths in NETWORKS[:TOGETHER]]
    jobs[1] = job(NETWORKS[1], artefact=lambda: b"odd")
    table = fill(jobs, Crashing(noise=0.05))
    assert list(table.failed) == [jobs[1].key]
    assert {row.job for row in table.networks} == {one.key for one in jobs} - {jobs[1].key}
    assert len({seen for name, seen in windows(store).items() if name in {one.key for one in jobs}}) == 1


def test_a_file_that_cannot_be_run_is_recorded_and_the_others_are_timed(fill: Fill) -> None:
    jobs = [job(widths) for widths in NETWORKS]
    table = fill(jobs, Crashing(chain(NETWORKS[2])))
    assert dict(table.failed) == {jobs[2].key: "The runtime ran out of memory."}
    assert [row.job for row in table.networks] == [one.key for one in jobs if one is not jobs[2]]


def test_a_file_that_takes_its_process_down_is_recorded_and_the_build_goes_on(fill: Fill) -> None:
    bad = job((3, 64, 13, 64, 64, 64, 64))
    jobs = [bad, *(job(widths) for widths in NETWORKS[: TOGETHER + 1])]
    table = fill(jobs, Fatal())
    assert list(table.failed) == [bad.key]
    assert "the signal SIGABRT" in table.failed[bad.key]
    assert {row.job for row in table.networks} == {one.key for one in jobs[1:]}


def test_a_baseline_that_takes_its_process_down_is_an_error(fill: Fill) -> None:
    with pytest.raises(ArtefactError, match="the signal SIGABRT"):
        fill([], Fatal(), baseline=job((3, 64, 13, 64)))


def test_all_of_a_comparison_may_fail(fill: Fill) -> None:
    jobs = [job(widths, artefact=lambda: b"odd") for widths in NETWORKS[:3]]
    table = fill([*jobs, *(job(widths) for widths in NETWORKS[3 : TOGETHER + 1])])
    assert set(table.failed) == {one.key for one in jobs}
    assert len(table.networks) == TOGETHER - 2


def test_finalists_are_timed_first_and_alone(fill: Fill, store: Store) -> None:
    levels, finals = NETWORKS[:3], NETWORKS[3:5]
    jobs = [*(job(widths) for widths in levels), *(job(widths, origin="finalist") for widths in finals)]
    told: list[str] = []
    fill(jobs, Crashing(noise=0.05), progress=lambda done, n, key: told.append(key))
    assert told[1:] == [jobs[3].key, jobs[4].key, jobs[0].key]
    seen = windows(store)
    assert len({seen[one.key] for one in jobs[:3]}) == 1
    assert len({seen[one.key] for one in jobs}) == 3


def test_a_resumed_build_loads_only_what_is_missing(fill: Fill) -> None:
    jobs = [job(widths) for widths in NETWORKS[:6]]
    fill(jobs[:3])
    runtime = Crashing()
    assert len(fill(jobs, runtime).networks) == 6
    done = {chain(widths) for widths in NETWORKS[:3]}
    assert {chain(widths) for widths in NETWORKS[3:6]} <= set(runtime.loaded)
    assert not done & set(runtime.loaded)


def test_the_same_seed_gives_the_same_rows(fill: Fill, store: Store) -> None:
    jobs = [job(widths) for widths in NETWORKS]
    found = []
    for seed in (0, 0, 1):
        table = fill(jobs, Crashing(noise=0.05), seed=seed)
        found.append([row.window_ratios for row in table.networks])
        store.path.unlink()
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("reload", [False, True])
def test_files_are_loaded_anew_before_each_window_as_the_protocol_says(fill: Fill, reload: bool) -> None:
    runtime = Crashing()
    fill([job(NETWORKS[0])], runtime, protocol=dataclasses.replace(PROTOCOL, reload=reload))
    # Once for the profile, once to be timed, and once for each window after the first.
    assert runtime.loaded.count(chain(NETWORKS[0])) == 2 + (PROTOCOL.min_windows - 1) * reload


def test_a_comparison_that_is_unsteady_is_kept_with_its_doubts(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[str]] = []

    def shaky(runtime: Runtime, files: Mapping[str, bytes], *args: Any, **options: Any) -> Measurement:
        measured = compare_files(runtime, files, *args, **options)
        made.append(sorted(files))
        windows = {
            name: tuple(s * (1 + 0.5 * (i % 2) * (name != BASELINE)) for i, s in enumerate(values))
            for name, values in measured.windows.items()
        }
        return dataclasses.replace(measured, windows=windows)

    monkeypatch.setattr(import_module("latency_tables.build"), "compare_files", shaky)
    table = fill([job(NETWORKS[0])])
    assert len(made) == 2, "the baseline, and the network once: more windows say more than other ones"
    assert [bool(row.judgement) for row in table.rows] == [False, True]
