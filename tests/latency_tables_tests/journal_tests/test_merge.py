"""Merging two journals and comparing two tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hwprofiles import Interval, Measurement, Target, TimingProtocol
from latency_tables import (
    CorruptTableError,
    ForeignTableError,
    Header,
    LatencyTable,
    PieceKey,
    Record,
    Stairs,
    StairsRecord,
    Store,
    TableError,
    compare_tables,
    merge,
    read_table,
)

UNITS = {"conv0": (PieceKey.of("conv2d k3x3", (3, 8)), ("c0",))}


def record(job: str, seconds: float, day: int, machine: str = "m", version: str = "1", origin: str = "level") -> Record:
    own = "baseline" if origin == "baseline" else "subnet"
    windows = {own: (seconds,) * 9, "baseline": (1.0,) * 9} if own == "subnet" else {own: (seconds,) * 9}
    measured = Measurement(
        canary="baseline",
        windows=windows,
        starts_s=tuple(range(9)),
        runs_per_turn=dict.fromkeys(windows, 1),
        turns_per_window=1,
        protocol=TimingProtocol(),
    )
    date = f"2026-11-{day:02}T00:00:00+00:00"
    return Record(job, origin, machine, {"null": version}, date, UNITS, measured)  # type: ignore[arg-type]


def journal(path: Path, *records: Record, machine: str = "m", target: str = "cpu-null-fp32-b1-t1") -> Path:
    with Store(path).writing() as writer:
        writer.begin(Header(Target.parse(target), machine, {"null": "1"}, "2026-11-01T00:00:00+00:00"))
        for one in records:
            writer.append(one)
    return path


def base(day: int = 1, job: str = "base", **more: str) -> Record:
    return record(job, 1.0, day, origin="baseline", **more)


def ratios(path: Path, allow_foreign: bool = False) -> Mapping[str, float]:
    table = read_table(path, fingerprint="m", allow_foreign=allow_foreign)
    return {row.job: row.ratio.median for row in table.networks}


def test_the_later_timing_counts_whichever_journal_has_it(tmp_path: Path) -> None:
    a = journal(tmp_path / "a", base(), record("x", 0.5, 2), record("y", 0.5, 9))
    b = journal(tmp_path / "b", base(), record("x", 0.6, 8), record("y", 0.6, 3), record("z", 0.7, 4))
    merged = merge(a, b, tmp_path / "c")
    assert (merged.lines, merged.twice, merged.foreign, merged.stale) == ((3, 4), 3, 0, 0)
    assert ratios(tmp_path / "c") == {"x": 0.6, "y": 0.5, "z": 0.7}
    merge(b, a, tmp_path / "d")
    assert ratios(tmp_path / "d") == ratios(tmp_path / "c")


def test_the_order_within_a_journal_counts_where_its_clock_went_back(tmp_path: Path) -> None:
    a = journal(tmp_path / "a", base(1), record("x", 0.5, 9), record("x", 0.6, 2))
    merge(a, journal(tmp_path / "b", base(1), record("x", 0.7, 5)), tmp_path / "c")
    assert ratios(tmp_path / "c") == {"x": 0.6}


def test_a_copy_that_went_on_adds_only_what_is_new(tmp_path: Path) -> None:
    a = journal(tmp_path / "a", base(), record("x", 0.5, 2))
    b = journal(tmp_path / "b", base(), record("x", 0.5, 2), record("y", 0.6, 3))
    merge(a, b, tmp_path / "c")
    assert [r.job for r in Store(tmp_path / "c").read().records] == ["base", "x", "y"]


def test_a_timing_of_the_own_machine_goes_before_a_later_foreign_one(tmp_path: Path) -> None:
    a = journal(tmp_path / "a", base(), record("x", 0.5, 2))
    foreign = [base(5, machine="n"), record("x", 0.9, 6, machine="n"), record("y", 0.8, 6, machine="n")]
    b = journal(tmp_path / "b", *foreign, machine="n")
    with pytest.raises(ForeignTableError, match=r"'m' and .* of 'n'"):
        merge(a, b, tmp_path / "c")
    assert not (tmp_path / "c").exists()
    merged = merge(a, b, tmp_path / "c", allow_foreign=True)
    assert merged.foreign == 3
    assert ratios(tmp_path / "c") == {"x": 0.5}
    assert ratios(tmp_path / "c", allow_foreign=True) == {"x": 0.5, "y": 0.8}


def test_another_target_or_another_baseline_is_refused_in_any_case(tmp_path: Path) -> None:
    a = journal(tmp_path / "a", base())
    b = journal(tmp_path / "b", base(), target="cpu-null-fp32-b2-t1")
    with pytest.raises(ForeignTableError, match="'cpu-null-fp32-b2-t1'"):
        merge(a, b, tmp_path / "c", allow_foreign=True)
    with pytest.raises(TableError, match="one unpruned network"):
        merge(a, journal(tmp_path / "d", base(job="other")), tmp_path / "c", allow_foreign=True)


def test_damaged_lines_stay_behind_and_are_named_and_stale_ones_go_along(tmp_path: Path) -> None:
    a = journal(tmp_path / "a", base(), record("x", 0.5, 2, version="0"))
    b = journal(tmp_path / "b", base(), record("y", 0.6, 3), record("z", 0.7, 4))
    lines = b.read_bytes().split(b"\n")
    b.write_bytes(b"\n".join([*lines[:2], b'{"kind":"odd"', *lines[3:]]))
    merged = merge(a, b, tmp_path / "c")
    assert any("Line 3 of" in note for note in merged.notes)
    assert merged.stale == 1
    assert Store(tmp_path / "c").read().notes == ()
    assert ratios(tmp_path / "c") == {"z": 0.7}


def test_stairs_travel_and_lines_that_no_reader_knows_are_left_and_told(tmp_path: Path) -> None:
    seen = StairsRecord(Stairs("conv2d", 8, {8: Interval(1.0, 1.0, 1.0)}), "m", {"null": "1"}, "2026-11-02")
    a, b = journal(tmp_path / "a", base()), journal(tmp_path / "b", base())
    with Store(b).writing() as writer:
        writer.append(seen)
    b.write_bytes(b.read_bytes() + b'{"kind":"stairs","fingerprint":"m","widths":[1,2]}\n{"kind":"other"}\n')
    merged = merge(a, b, tmp_path / "c")
    found = Store(tmp_path / "c").read()
    assert (found.stairs, found.notes) == ((seen,), ())
    assert [note.split(" of ")[0] for note in merged.notes] == ["Line 4", "Line 5"]


def test_a_failure_leaves_nothing_and_no_file_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = journal(tmp_path / "a", base()), journal(tmp_path / "b", base())
    (tmp_path / "c").write_text("mine")
    with pytest.raises(FileExistsError):
        merge(a, b, tmp_path / "c")
    assert (tmp_path / "c").read_text() == "mine"

    def full(handle: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        merge(a, b, tmp_path / "d")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_what_is_no_journal(tmp_path: Path) -> None:
    a = journal(tmp_path / "a", base())
    (tmp_path / "e").touch()
    with pytest.raises(FileNotFoundError):
        merge(a, tmp_path / "none", tmp_path / "c")
    with pytest.raises(CorruptTableError, match="ends before its header"):
        merge(a, tmp_path / "e", tmp_path / "c")


def table(
    path: Path, ratio: float, half: float, reference: float = 1.0, judgement: tuple[str, ...] = ()
) -> LatencyTable:
    """Give a table with one network of a known interval."""
    found = read_table(journal(path, base(), record("x", 0.5, 2)), fingerprint="m")
    interval = Interval(ratio, ratio * (1 - half), ratio * (1 + half))
    rows = (found.rows[0], replace(found.rows[1], ratio=interval, judgement=judgement))
    return replace(found, rows=rows, reference=Interval(reference, reference, reference))


@pytest.mark.parametrize(
    ("ratio", "half", "expected"),
    [
        (0.505, 0.005, "agrees"),
        (0.54, 0.005, "differs"),
        (0.46, 0.005, "differs"),
        (0.515, 0.005, "cannot tell"),
        (0.54, 0.05, "cannot tell"),
        (0.5, 0.05, "cannot tell"),
    ],
)
def test_a_ratio_differs_agrees_or_cannot_be_told(tmp_path: Path, ratio: float, half: float, expected: str) -> None:
    difference = compare_tables(table(tmp_path / "a", 0.5, 0.005), table(tmp_path / "b", ratio, half))
    _, row = difference.networks
    assert row.ratio is not None
    assert row.ratio.agreement == expected
    assert row.ratio.relative == pytest.approx(ratio / 0.5 - 1)
    assert row.ratio.low < row.ratio.relative < row.ratio.high


def test_the_interval_adds_both_as_squares(tmp_path: Path) -> None:
    one = compare_tables(table(tmp_path / "a", 0.5, 0.0), table(tmp_path / "b", 0.5, 0.02)).networks[1].ratio
    two = compare_tables(table(tmp_path / "c", 0.5, 0.02), table(tmp_path / "d", 0.5, 0.02)).networks[1].ratio
    assert one is not None
    assert two is not None
    assert (one.low, one.high) == pytest.approx((-0.02, 0.02))
    assert (two.low, two.high) == pytest.approx((-0.02 * 2**0.5, 0.02 * 2**0.5), rel=0.03)


def test_seconds_differ_where_the_reference_does(tmp_path: Path) -> None:
    difference = compare_tables(table(tmp_path / "a", 0.5, 0.005), table(tmp_path / "b", 0.5, 0.005, reference=1.2))
    baseline, row = difference.networks
    assert baseline.ratio is None
    assert row.ratio is not None
    assert (row.ratio.agreement, row.time.agreement, baseline.time.agreement) == ("agrees", "differs", "differs")
    assert row.time.relative == pytest.approx(0.2)
    assert difference.agreement == "differs"


def test_an_unstable_timing_proves_nothing(tmp_path: Path) -> None:
    noisy = table(tmp_path / "b", 0.9, 0.001, judgement=("drift",))
    row = compare_tables(table(tmp_path / "a", 0.5, 0.005), noisy).networks[1]
    assert row.unstable
    assert row.ratio is not None
    assert row.ratio.agreement == row.time.agreement == "cannot tell"


def test_a_tolerance_is_a_fraction(tmp_path: Path) -> None:
    one = table(tmp_path / "a", 0.5, 0.005)
    with pytest.raises(ValueError, match="inside"):
        compare_tables(one, one, 3.0)
