from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from hwprofiles import ArtefactError, Interval, Measurement, NullRuntime, StaircaseLaw
from latency_tables import ForeignTableError, Job, LatencyTable, PieceKey, Store, read_table
from latency_tables.build import TOGETHER, job_rng

from .chains import FULL, MACHINE, PROTOCOL, TARGET, chain, job, null_runtime, random_widths
from .conftest import Fill

NETWORKS = random_widths(6, seed=3)


class Counted:
    """Make jobs that count how often their artefact is asked for."""

    def __init__(self) -> None:
        self.made: list[tuple[int, ...]] = []

    def job(self, widths: tuple[int, ...], *, origin: str = "level") -> Job:
        def artefact() -> bytes:
            self.made.append(widths)
            return chain(widths)

        return job(widths, origin=origin, artefact=artefact)


def same(first: LatencyTable, second: LatencyTable) -> None:
    left, right = (table.to_frame().drop(columns="date") for table in (first, second))
    # The fake clock adds up seconds: a later start rounds differently in the last bits.
    pd.testing.assert_frame_equal(left, right, rtol=1e-9)


def test_rows_hold_what_the_law_says(fill: Fill) -> None:
    table = fill([job(widths) for widths in NETWORKS])
    law = null_runtime().law
    full = sum(law.seconds(chain(FULL)).values())
    assert table.reference is not None
    assert table.reference.median == pytest.approx(full)
    assert [row.origin for row in table.rows] == ["baseline"] + ["level"] * len(NETWORKS)
    assert table.rows[0].ratio == Interval(1.0, 1.0, 1.0)
    for row, widths in zip(table.networks, NETWORKS, strict=True):
        nodes = law.seconds(chain(widths))
        assert row.seconds.median == pytest.approx(sum(nodes.values()))
        assert row.ratio.median == pytest.approx(sum(nodes.values()) / full)
        for i, unit in enumerate(row.pieces):
            own = nodes[f"c{i}"] + nodes[f"y{i}"]
            assert unit.share == pytest.approx(own / sum(nodes.values()))
        assert row.hit_rate == 1.0
        assert row.loose == 0.0
        assert row.judgement == ()
    assert table.hit_rate == 1.0
    assert table.notes == ()


def test_stored_jobs_are_not_measured_again(fill: Fill, store: Store) -> None:
    counted = Counted()
    first = fill([counted.job(widths) for widths in NETWORKS[:4]])
    assert counted.made == NETWORKS[:4]
    second = fill([counted.job(widths) for widths in NETWORKS])
    assert counted.made == NETWORKS
    before = store.path.read_bytes()
    third = fill([counted.job(widths) for widths in NETWORKS])
    assert counted.made == NETWORKS
    assert store.path.read_bytes() == before
    same(second, third)
    assert len(first.networks) == 4


def test_a_complete_build_loads_not_even_the_baseline(fill: Fill) -> None:
    fill([job(NETWORKS[0])])

    def refuse() -> bytes:
        raise AssertionError("nothing is missing")

    fill([job(NETWORKS[0], artefact=refuse)], baseline=job(FULL, artefact=refuse))


def test_the_same_jobs_in_another_order_give_the_same_rows(fill: Fill, store: Store) -> None:
    first = fill([job(widths) for widths in NETWORKS])
    store.path.unlink()
    second = fill([job(widths) for widths in NETWORKS[::-1]])
    rows = {row.job: row.ratio.median for row in second.rows}
    assert {row.job: row.ratio.median for row in first.rows} == pytest.approx(rows, rel=1e-9)


def test_random_state_depends_on_seed_and_job_only() -> None:
    rng = np.random.default_rng(5)
    first = job_rng(rng, "a", "load").integers(2**62)
    rng.random(100)
    assert job_rng(rng, "a", "load").integers(2**62) == first
    assert job_rng(np.random.default_rng(5), "a", "load").integers(2**62) == first
    others = [(5, "b", "load"), (5, "a", "order"), (6, "a", "load")]
    assert first not in [job_rng(np.random.default_rng(seed), key, why).integers(2**62) for seed, key, why in others]


def test_what_the_runtime_cannot_run_is_recorded_and_the_build_goes_on(fill: Fill, store: Store) -> None:
    counted = Counted()
    attempts: list[bytes] = []

    def odd() -> bytes:
        attempts.append(b"")
        return b"not an ONNX file"

    jobs = [counted.job(NETWORKS[0]), job(NETWORKS[1], artefact=odd), counted.job(NETWORKS[2])]
    table = fill(jobs)
    assert [row.job for row in table.networks] == [jobs[0].key, jobs[2].key]
    assert list(table.failed) == [jobs[1].key]
    assert "ONNX file" in table.failed[jobs[1].key]
    assert fill(jobs).failed == table.failed
    assert len(attempts) == 1, "a failed job is not tried again"
    fill(jobs, retry_failed=True)
    assert len(attempts) == 2
    mended = fill([jobs[0], job(NETWORKS[1]), jobs[2]], retry_failed=True)
    assert mended.failed == {}
    assert len(mended.networks) == 3
    assert counted.made == [NETWORKS[0], NETWORKS[2]], "jobs that ran are not repeated by a retry"
    assert len(store.read().records) == 1 + 2 + 3


def test_a_baseline_that_cannot_run_is_an_error(fill: Fill, store: Store) -> None:
    with pytest.raises(ArtefactError):
        fill([job(NETWORKS[0])], baseline=job(FULL, artefact=lambda: b"odd"))
    assert store.read().records == ()


def test_an_error_of_the_caller_stops_the_build_but_keeps_the_rows(fill: Fill) -> None:
    def wrong() -> bytes:
        raise KeyError("a bug in the slicer")

    done = [job(widths) for widths in NETWORKS[:TOGETHER]]
    with pytest.raises(KeyError, match="slicer"):
        fill([*done, job(NETWORKS[TOGETHER], artefact=wrong), job(NETWORKS[TOGETHER + 1])])
    assert [row.job for row in fill([]).networks] == [one.key for one in done]


def test_foreign_machine_is_refused_unless_allowed(fill: Fill, store: Store) -> None:
    fill([job(NETWORKS[0])])
    with pytest.raises(ForeignTableError, match="'test-machine' and this is 'other'"):
        fill([job(NETWORKS[1])], fingerprint="other")
    with pytest.raises(ForeignTableError):
        read_table(store.path, fingerprint="other")
    with pytest.raises(ForeignTableError):
        read_table(store.path)
    table = fill([job(NETWORKS[1])], fingerprint="other", allow_foreign=True)
    assert len(table.networks) == 2
    assert table.notes == ("Records of another machine: 2, used, as asked.",)
    own = read_table(store.path, fingerprint=MACHINE)
    assert len(own.networks) == 1
    assert own.notes == ("Records of another machine: 1, not used.",)


def test_another_target_is_refused(fill: Fill, store: Store) -> None:
    fill([])
    text = store.path.read_text().replace(TARGET.slug, "cpu-null-fp32-b1-t2", 1)
    store.path.write_text(text)
    with pytest.raises(ForeignTableError, match="cpu-null-fp32-b1-t2"):
        fill([])


def test_another_baseline_is_refused(fill: Fill) -> None:
    fill([])
    with pytest.raises(ValueError, match="to one unpruned network"):
        fill([], baseline=job(NETWORKS[0]))


def test_changed_versions_make_rows_stale_not_wrong(fill: Fill, store: Store) -> None:
    counted = Counted()
    old = fill([counted.job(widths) for widths in NETWORKS[:3]])
    slower = NullRuntime(StaircaseLaw(node_s=1e-5))
    new = fill([counted.job(widths) for widths in NETWORKS[:2]], slower)
    assert counted.made == NETWORKS[:3] + NETWORKS[:2], "stale rows are measured again"
    assert new.stale == 4
    assert len(new.networks) == 2
    assert new.notes == (f"Records of other runtime versions than {slower.versions()}: 4, kept but not used.",)
    assert old.reference is not None
    assert new.reference is not None
    assert new.reference.median > old.reference.median
    assert read_table(store.path, fingerprint=MACHINE).stale == 4, "by default the last record's versions count"
    back = read_table(store.path, fingerprint=MACHINE, versions=null_runtime().versions())
    assert len(back.networks) == 3
    assert back.stale == 3
    none = read_table(store.path, fingerprint=MACHINE, versions={"null": "newer"})
    assert none.rows == ()
    assert none.reference is None
    assert "build once more" in none.notes[-1]


def test_other_names_for_the_units_need_no_new_timing(fill: Fill) -> None:
    counted = Counted()
    old = counted.job(NETWORKS[0])
    fill([old])
    units = {name: (PieceKey.of("renamed", key.widths), values) for name, (key, values) in old.pieces.items()}
    table = fill([Job(old.key, old.artefact, units, "finalist")])
    assert counted.made == [NETWORKS[0]]
    assert {str(unit.key.family) for unit in table.networks[0].pieces} == {"renamed"}
    assert table.networks[0].origin == "finalist"


def test_no_comparison_begins_that_would_probably_end_too_late(fill: Fill, store: Store) -> None:
    jobs = [job(widths) for widths in random_widths(4 * TOGETHER, seed=5)]
    whole = null_runtime()
    starts: list[float] = []
    fill(jobs, whole, progress=lambda *_: starts.append(whole.clock()))
    assert len(starts) == 5
    baseline_s = starts[1] - starts[0]
    store.path.unlink()

    # Even the slowest comparison takes no longer for each contestant than the baseline alone.
    limit = starts[2] + (1 + TOGETHER) * baseline_s
    limited = null_runtime()
    table = fill(jobs, limited, time_limit_s=limit * (1 + 1e-9))
    assert len(table.networks) == 2 * TOGETHER
    assert limited.clock() <= limit
    store.path.unlink()
    assert len(fill(jobs, null_runtime(), time_limit_s=limit * (1 - 1e-3)).networks) == TOGETHER
    assert len(fill(jobs).networks) == len(jobs), "the rest of the build is made up for"


def test_the_baseline_is_timed_whatever_the_limit(fill: Fill) -> None:
    table = fill([job(NETWORKS[0])], time_limit_s=0.0)
    assert table.reference is not None
    assert table.networks == ()


def test_progress_is_told_before_each_comparison(fill: Fill) -> None:
    told: list[tuple[int, int, str]] = []
    progress: Callable[[int, int, str], None] = lambda *args: told.append(args)  # noqa: E731
    jobs = [job(widths) for widths in random_widths(2 + TOGETHER, seed=5)]
    fill(jobs[:1])
    fill(jobs, progress=progress)
    assert told == [(2, 3 + TOGETHER, jobs[1].key), (2 + TOGETHER, 3 + TOGETHER, jobs[-1].key)]


def test_a_job_given_twice_is_one_and_the_baseline_is_not_a_network(fill: Fill) -> None:
    counted = Counted()
    table = fill([counted.job(NETWORKS[0]), counted.job(NETWORKS[0]), counted.job(FULL)])
    assert counted.made == [NETWORKS[0]]
    assert len(table.networks) == 1


def test_one_key_for_two_structures_is_an_error(fill: Fill) -> None:
    with pytest.raises(ValueError, match="differ in pieces"):
        fill([job(NETWORKS[0], key="x"), job(NETWORKS[1], key="x")])


def test_a_job_without_units_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one piece"):
        Job("a", lambda: b"", {})


def test_a_job_cannot_take_the_canarys_name() -> None:
    with pytest.raises(ValueError, match="content hash"):
        job(NETWORKS[0], key="baseline")


def test_pairing_cancels_the_machines_drift(fill: Fill) -> None:
    table = fill([job(widths) for widths in NETWORKS], null_runtime(drift=0.3, seed=1))
    law = null_runtime().law
    for row, widths in zip(table.networks, NETWORKS, strict=True):
        true = sum(law.seconds(chain(widths)).values()) / sum(law.seconds(chain(FULL)).values())
        assert row.ratio.median == pytest.approx(true, rel=0.03)


def test_too_few_windows_are_noted_and_not_used(fill: Fill) -> None:
    import dataclasses

    fill([])
    short = dataclasses.replace(PROTOCOL, min_windows=2, max_windows=2)
    table = fill([job(NETWORKS[0])], protocol=short)
    assert table.networks == ()
    assert "too few windows" in table.notes[0]


def test_measurements_are_stored_raw(fill: Fill, store: Store) -> None:
    fill([job(NETWORKS[0])])
    record = store.read().records[-1]
    assert isinstance(record.measurement, Measurement)
    assert set(record.measurement.windows) == {"subnet", "baseline"}
    assert len(record.measurement.windows["subnet"]) == 8
    assert [node.name for node in record.nodes][:2] == ["c0", "y0"]
