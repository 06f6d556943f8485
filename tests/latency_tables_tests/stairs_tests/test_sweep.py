"""Sweeps on the null runtime: its own staircase is found, once, and whatever was found stays found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwprofiles import ArtefactError, NullRuntime, Runtime, Session, StaircaseLaw, Target
from latency_tables import ForeignTableError, LatencyTable, Rig, Stairs, Store, Sweep, build, read_table, sweep

from ..chains import FULL, MACHINE, PROTOCOL, QUANTUM, TARGET, chain, job, null_runtime
from ..conftest import PLACE

KINDS = ("first", "second")


def sweeps(*kinds: str, size: int = 64, artefact: Callable[[int], bytes] | None = None) -> list[Sweep]:
    return [Sweep(kind, size, artefact or (lambda width: chain((3, width, 64)))) for kind in kinds]


def swept(store: Store, wanted: list[Sweep], runtime: Runtime | None = None, **options: object) -> LatencyTable:
    place = {"fingerprint": MACHINE, **{key: options.pop(key) for key in PLACE & options.keys()}}
    rig = Rig(runtime or null_runtime(), TARGET, store, **place)  # type: ignore[arg-type]
    return sweep(rig, wanted, **{"rng": np.random.default_rng(0), **options})  # type: ignore[arg-type]


def lines(store: Store) -> list[dict[str, object]]:
    return [json.loads(line) for line in store.path.read_text().splitlines()]


@pytest.mark.parametrize("quantum", [4, 8, 16])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_staircase_of_the_runtime_is_found(store: Store, quantum: int, noise: float) -> None:
    runtime = NullRuntime(StaircaseLaw(quantum=quantum), noise=noise, drift=5 * noise)
    table = swept(store, sweeps(*KINDS), runtime)
    assert set(table.stairs) == set(KINDS)
    for stairs in table.stairs.values():
        assert stairs.quantum == quantum
        assert stairs.levels(64) == tuple(range(quantum, 65, quantum))
    assert runtime.clock() < 2 * 3.0, "at most about three seconds a class"


def test_what_was_swept_is_not_swept_again(store: Store) -> None:
    first = swept(store, sweeps("first"))
    before = store.path.read_bytes()
    runtime = null_runtime()
    told: list[tuple[int, int, str]] = []
    again = swept(store, sweeps("first"), runtime, progress=lambda *step: told.append(step))
    assert (again.stairs, told, runtime.clock()) == (first.stairs, [], 0.0)
    assert store.path.read_bytes() == before
    both = swept(store, sweeps(*KINDS), progress=lambda *step: told.append(step))
    assert told == [(1, 2, "second")]
    assert both.stairs["first"] == first.stairs["first"]


def test_a_stop_within_a_class_loses_that_class_only(store: Store, tmp_path: Path) -> None:
    calls = 0

    def artefact(width: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 10:
            raise KeyboardInterrupt
        return chain((3, width, 64))

    with pytest.raises(KeyboardInterrupt):
        swept(store, [*sweeps("first"), *sweeps("second", artefact=artefact)])
    assert list(read_table(store.path, fingerprint=MACHINE).stairs) == ["first"]
    resumed = swept(store, sweeps(*KINDS))
    whole = swept(Store(tmp_path / "whole.jsonl"), sweeps(*KINDS))
    assert set(resumed.stairs) == set(whole.stairs)


def test_another_size_of_a_class_is_swept_and_replaces_the_first(store: Store) -> None:
    swept(store, sweeps("first"))
    assert swept(store, sweeps("first", size=32)).stairs["first"].size == 32


class Picky(NullRuntime):
    """Cannot run files of some widths; files are told by their length."""

    def __init__(self, refused: set[int]) -> None:
        super().__init__()
        self._refused = {chain((3, width, 64)) for width in refused}

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        if artefact in self._refused:
            raise ArtefactError("no kernel for this width")
        return super().load(artefact, target, rng)


def test_a_width_that_cannot_be_run_is_recorded_and_the_sweep_goes_on(store: Store) -> None:
    stairs = swept(store, sweeps("first"), Picky({32})).stairs["first"]
    assert stairs.failed == {32: "no kernel for this width"}
    assert stairs.levels(64) == (8, 16, 24, 40, 48, 56, 64)


class Busy(NullRuntime):
    """The null runtime that is very noisy until its clock shows some time."""

    def __init__(self, until_s: float) -> None:
        super().__init__()
        self.until_s = until_s
        self.sweeps = 0

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        self.sweeps += artefact == chain((3, 64, 64))
        return super().load(artefact, target, rng)

    def pass_time(self, seconds: float) -> None:
        self._noise = 1.0 if self.clock() < self.until_s else 0.0
        super().pass_time(seconds)


@pytest.mark.parametrize(("until_s", "sweeps_made", "warned"), [(0.0, 1, False), (6.0, 2, False), (1e9, 3, True)])
def test_a_sweep_on_a_busy_machine_is_made_again_and_says_so(
    store: Store, until_s: float, sweeps_made: int, warned: bool
) -> None:
    runtime = Busy(until_s)
    table = swept(store, sweeps("first"), runtime)
    assert runtime.sweeps == sweeps_made
    assert any("too busy to see the steps of 1 classes" in note for note in table.notes) == warned
    assert table.stairs["first"].is_unsteady == warned


def test_where_the_full_size_fails_the_next_is_the_canary(store: Store) -> None:
    stairs = swept(store, sweeps("first"), Picky({64, 63})).stairs["first"]
    assert set(stairs.failed) == {63, 64}
    assert stairs.ratios[62].median == 1.0
    assert stairs.quantum == 8


def test_where_nothing_runs_the_size_stays(store: Store) -> None:
    stairs = swept(store, sweeps("first"), Picky(set(range(1, 65)))).stairs["first"]
    assert stairs.levels(64) == (64,)
    assert "no kernel" in str(stairs.why_whole(64))


def test_stale_and_foreign_stairs_do_not_count(store: Store) -> None:
    swept(store, sweeps("first"))
    other = NullRuntime(StaircaseLaw(quantum=16))
    assert read_table(store.path, fingerprint=MACHINE, versions=other.versions()).stairs == {}
    renewed = swept(store, sweeps("first"), other)
    assert (renewed.stairs["first"].quantum, renewed.stale) == (16, 1)
    with pytest.raises(ForeignTableError):
        read_table(store.path, fingerprint="another")
    foreign = read_table(store.path, fingerprint="another", allow_foreign=True)
    assert foreign.stairs == renewed.stairs
    assert any("another machine" in note for note in foreign.notes)
    ours = swept(store, sweeps("first"), fingerprint="another", allow_foreign=True)
    assert len(lines(store)) == 4, "what another machine swept is swept here"
    assert ours.stairs["first"].quantum == 8
    with pytest.raises(ForeignTableError, match="one target"):
        sweep(Rig(null_runtime(), Target("null", batch=2), store, MACHINE), [], rng=np.random.default_rng(0))


def test_a_corrupt_sweep_is_named_and_swept_again(store: Store) -> None:
    swept(store, sweeps(*KINDS))
    rows = store.path.read_text().splitlines()
    broken = json.loads(rows[1])
    broken["stairs"]["ratios"][0][1]["low"] = 9.0
    store.path.write_text("\n".join([rows[0], json.dumps(broken), rows[2]]) + "\n")
    table = read_table(store.path, fingerprint=MACHINE)
    assert list(table.stairs) == ["second"]
    assert any("Line 2 " in note for note in table.notes)
    assert set(swept(store, sweeps(*KINDS)).stairs) == set(KINDS)


def test_networks_and_stairs_share_a_journal(store: Store) -> None:
    swept(store, sweeps("first"))
    rig = Rig(null_runtime(), TARGET, store, MACHINE)
    table = build(rig, [], baseline=job(FULL), protocol=PROTOCOL, rng=np.random.default_rng(0))
    assert list(table.stairs) == ["first"]
    assert [row.origin for row in table.rows] == ["baseline"]
    assert [line.get("kind") for line in lines(store)] == [None, "stairs", "network"]
    stairs = table.stairs["first"]
    assert isinstance(stairs, Stairs)
    assert stairs.quantum == QUANTUM
