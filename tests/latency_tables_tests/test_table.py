import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
import pytest

from hwprofiles import format_seconds
from latency_tables import CorruptTableError, LatencyTable, Record, Store, read_table
from latency_tables.journal.reading import assemble

from .chains import MACHINE, TARGET, job, random_widths
from .conftest import Fill


def test_frame_has_one_line_a_unit(table: LatencyTable) -> None:
    frame = table.to_frame()
    assert len(frame) == 6 * len(table.rows)
    sums = frame.groupby("job")[["share", "unit_s"]].sum()
    assert sums["share"].to_numpy() == pytest.approx(1.0)
    network = frame.groupby("job")["network_s"].first()
    assert sums["unit_s"].to_numpy() == pytest.approx(network.to_numpy())
    assert frame["stable"].all()
    assert (frame["network_low_s"] <= frame["network_s"]).all()


def test_csv_and_parquet_hold_the_frame(table: LatencyTable, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "table.csv")
    table.to_parquet(tmp_path / "table.parquet")
    frame = table.to_frame()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), frame, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), frame, check_dtype=False)
    about = pq.read_schema(tmp_path / "table.parquet").metadata
    assert about[b"lathe.target"] == TARGET.slug.encode()
    assert about[b"lathe.fingerprint"] == MACHINE.encode()
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", "table.parquet"}


def test_an_empty_table_has_an_empty_frame(fill: Fill, tmp_path: Path) -> None:
    table = fill([])
    assert len(table.to_frame()) == 6
    blank = read_table(tmp_path / "table.jsonl", fingerprint=MACHINE, versions={"null": "none"})
    assert blank.hit_rate is None
    frame = blank.to_frame()
    assert len(frame) == 0
    assert str(frame["network_s"].dtype) == "float64"
    blank.to_parquet(tmp_path / "blank.parquet")
    assert len(pd.read_parquet(tmp_path / "blank.parquet")) == 0


def test_reading_never_changes_the_file(fill: Fill, store: Store) -> None:
    fill([job(widths) for widths in random_widths(2, seed=1)])
    torn = store.path.read_bytes()[:-50]
    store.path.write_bytes(torn)
    table = read_table(store.path, fingerprint=MACHINE)
    assert len(table.networks) == 1
    assert "torn" in table.notes[0]
    assert store.path.read_bytes() == torn


def test_a_lost_baseline_is_said_and_measured_again(fill: Fill, store: Store) -> None:
    jobs = [job(widths) for widths in random_widths(2, seed=1)]
    before = fill(jobs)
    lines = store.path.read_bytes().split(b"\n")
    lines[1] = b"damage"
    store.path.write_bytes(b"\n".join(lines))
    table = read_table(store.path, fingerprint=MACHINE)
    assert table.rows == ()
    assert "Line 2 " in table.notes[0]
    assert "unpruned network" in table.notes[1]
    after = fill(jobs)
    assert [row.job for row in after.rows] == [row.job for row in before.rows]


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="build it first"):
        read_table(tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(CorruptTableError, match="ends before its header"):
        read_table(tmp_path / "empty.jsonl")


def scaled(record: Record, pace: float) -> Record:
    """Time a record over again on a machine that takes `pace` times as long."""
    assert record.measurement is not None
    windows = {name: tuple(pace * s for s in seconds) for name, seconds in record.measurement.windows.items()}
    return replace(record, measurement=replace(record.measurement, windows=windows))


@pytest.mark.parametrize(
    ("paces", "told"),
    [
        ([1.0, *[1.0] * 10], False),
        ([1.0, *[1.15] * 10], False),
        ([1.0, *[1.4] * 10], True),
        ([1.4, *[1.0] * 10], True),
        ([1.0, *[1.0, 1.4] * 5], True),
        ([1.0, 1.4, *[1.0] * 10], False),
    ],
    ids=["even", "a little", "slower than when it began", "faster than when it began", "to and fro", "one burst"],
)
def test_a_change_of_the_machines_speed_is_said(fill: Fill, store: Store, paces: list[float], told: bool) -> None:
    fill([job(widths) for widths in random_widths(len(paces) - 1, seed=1)])
    contents = store.read()
    assert contents.header is not None
    records = tuple(scaled(record, pace) for record, pace in zip(contents.records, paces, strict=True))
    table = assemble(replace(contents, records=records), contents.header, MACHINE, None, allow_foreign=False)
    said = [note for note in table.notes if "speed changed while" in note]
    assert bool(said) == told
    if told:
        fast = contents.records[0].measurement.seconds("baseline").median  # type: ignore[union-attr]
        assert f"from {format_seconds(fast)} to {format_seconds(1.4 * fast)}" in said[0]


def test_a_row_says_how_slow_its_machine_was_where_the_reference_is_that_machines(fill: Fill, store: Store) -> None:
    fill([job(widths) for widths in random_widths(3, seed=1)])
    contents = store.read()
    assert contents.header is not None
    first, *others = contents.records
    slow = [first, *(scaled(record, 1.4) for record in others)]
    foreign = [*slow[:-1], replace(slow[-1], fingerprint="another machine")]
    for records, expected in ((slow, [1.0, 1.4, 1.4, 1.4]), (foreign, [1.0, 1.4, 1.4, 1.0])):
        table = assemble(replace(contents, records=tuple(records)), contents.header, MACHINE, None, allow_foreign=True)
        by_job = {row.job: row.slowdown for row in table.rows}
        assert [math.exp(by_job[record.job]) for record in records] == pytest.approx(expected)
