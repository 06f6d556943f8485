"""`lathe table`: show, merge, diff and csv, and what each answers to a bad file."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hwprofiles import probe
from latency_tables import Rig, Store, build
from tests.latency_tables_tests.chains import FULL, PROTOCOL, TARGET, job, null_runtime, random_widths

from .conftest import Answer, Lathe

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a journal of a chain of convolutions."""

    def write(name: str, first: int = 0, last: int = 6, machine: str | None = None, **law: float) -> Path:
        path = tmp_path / name
        build(
            Rig(null_runtime(**law), TARGET, Store(path), machine or probe().fingerprint),  # type: ignore[arg-type]
            [job(widths) for widths in random_widths(12, seed=1)[first:last]],
            baseline=job(FULL),
            protocol=PROTOCOL,
            rng=np.random.default_rng(0),
        )
        return path

    return write


def slowed(path: Path, place: int, factor: float, to: Path) -> Path:
    """Copy a journal with one network slower."""
    lines = path.read_text().splitlines()
    data = json.loads(lines[place])
    windows = data["measurement"]["windows"]
    windows["subnet"] = [factor * value for value in windows["subnet"]]
    lines[place] = json.dumps(data)
    to.write_text("\n".join(lines) + "\n")
    return to


def object_of(answer: Answer, status: int = 0) -> dict[str, Any]:
    assert answer.status == status, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    return found


def test_show_tells_what_is_in_it(lathe: Lathe, make: Make) -> None:
    path = make("a.jsonl")
    found = object_of(lathe("table", "show", path, "--json"))
    assert (found["target"], found["fingerprint"]) == (TARGET.slug, probe().fingerprint)
    assert (found["rows"], found["origins"]) == (7, {"baseline": 1, "level": 6})
    assert (found["stale"]["records"], found["foreign"], found["failed"], found["notes"]) == (0, 0, [], [])
    assert found["held_out"]["n"] == 6
    assert sum(row["share"] for row in found["families"]) == pytest.approx(1)
    assert all(row["raw_s"]["median"] > 0 for row in found["networks"])
    shown = lathe("table", "show", path)
    assert (shown.status, shown.err) == (0, "")
    for text in (TARGET.slug, "7 (1 baseline, 6 level)", "held-out error", "100.0 %", "not swept", "conv2d k3x3"):
        assert text in " ".join(shown.out.split())


def test_too_few_networks_to_predict_from_are_no_error_of_show(lathe: Lathe, make: Make) -> None:
    found = object_of(lathe("table", "show", make("a.jsonl", 0, 1), "--json"))
    assert found["held_out"] is None
    assert "at least 3 networks" in found["held_out_missing"]


def test_a_damaged_line_is_named_and_the_rest_is_shown(lathe: Lathe, make: Make) -> None:
    path = make("a.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "{broken", *lines[4:-1], lines[-1][:50]]))
    before = path.read_bytes()
    found = object_of(lathe("table", "show", path, "--json"))
    assert found["rows"] == 5
    assert any("Line 4 " in note for note in found["notes"])
    assert any("torn" in note for note in found["notes"])
    assert path.read_bytes() == before
    assert "Line 4 " in " ".join(lathe("table", "show", path).out.split())
    assert "Line 4 " in lathe("table", "csv", path).words


def test_stale_rows_are_counted_by_version_and_not_used(lathe: Lathe, make: Make) -> None:
    path = make("a.jsonl")
    versions = json.loads(path.read_text().splitlines()[0])["versions"]["null"]
    header, first, *rest = path.read_text().splitlines()
    old = [first.replace(versions, "older"), *[line.replace(versions, "older") for line in rest[:2]]]
    path.write_text("\n".join([header, *old, first, *rest[2:]]) + "\n")
    found = object_of(lathe("table", "show", path, "--json"))
    assert found["stale"] == {"records": 3, "versions": {"null older": 3}}
    assert found["rows"] == 5
    path.write_text(path.read_text().replace(versions, "older"))
    assert any("stale here" in note for note in object_of(lathe("table", "show", path, "--json"))["notes"])


def test_a_foreign_table_is_refused_unless_allowed_and_then_marked(lathe: Lathe, make: Make, tmp_path: Path) -> None:
    path = make("a.jsonl", machine="elsewhere")
    for command in (("show", path, "--json"), ("csv", path)):
        answer = lathe("table", *command)
        assert (answer.status, answer.out) == (2, "")
        assert "--allow-foreign" in answer.words
        assert "elsewhere" in answer.words
    found = object_of(lathe("table", "show", path, "--allow-foreign", "--json"))
    assert all(row["foreign"] for row in found["networks"])
    assert found["foreign"] == 7
    assert lathe("table", "show", path, "--allow-foreign").out.count("foreign") >= 7
    frame = pd.read_csv(io.StringIO(lathe("table", "csv", path, "--allow-foreign").out))
    assert frame["foreign"].all()
    assert set(frame["fingerprint"]) == {"elsewhere"}


def test_merge_holds_both_and_changes_neither(lathe: Lathe, make: Make, tmp_path: Path) -> None:
    first, second, out = make("a.jsonl", 0, 5), make("b.jsonl", 3, 9), tmp_path / "c.jsonl"
    before = first.read_bytes(), second.read_bytes()
    found = object_of(lathe("table", "merge", first, second, "--out", out, "--json"))
    assert found["twice"] == 3
    assert (first.read_bytes(), second.read_bytes()) == before
    assert object_of(lathe("table", "show", out, "--json"))["rows"] == 10
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "b.jsonl", "c.jsonl"}
    again = lathe("table", "merge", first, second, "--out", out)
    assert again.status == 2
    assert "never overwritten" in again.words
    inside = lathe("table", "merge", first, second, "--out", tmp_path / "none/c.jsonl")
    assert inside.status == 2


def test_merge_of_another_machine_needs_to_be_allowed(lathe: Lathe, make: Make, tmp_path: Path) -> None:
    first, second, out = make("a.jsonl", 0, 4), make("b.jsonl", 2, 8, machine="elsewhere"), tmp_path / "c.jsonl"
    answer = lathe("table", "merge", first, second, "--out", out)
    assert (answer.status, out.exists()) == (2, False)
    assert "--allow-foreign" in answer.words
    assert object_of(lathe("table", "merge", first, second, "--out", out, "--allow-foreign", "--json"))["foreign"] == 7
    own = object_of(lathe("table", "show", out, "--json"))
    assert (own["rows"], own["foreign"]) == (5, 0)
    everything = object_of(lathe("table", "show", out, "--allow-foreign", "--json"))
    assert (everything["rows"], everything["foreign"]) == (9, 4)


def test_diff_of_a_copy_agrees(lathe: Lathe, make: Make, tmp_path: Path) -> None:
    first = make("a.jsonl")
    found = object_of(lathe("table", "diff", first, shutil.copy(first, tmp_path / "b.jsonl"), "--json"))
    assert (found["agreement"], found["facts"], found["only"]) == ("agrees", {}, [0, 0])
    assert len(found["networks"]) == 7


def test_diff_finds_the_network_that_is_slower(lathe: Lathe, make: Make, tmp_path: Path) -> None:
    first = make("a.jsonl")
    second = slowed(first, 3, 1.10, tmp_path / "b.jsonl")
    found = object_of(lathe("table", "diff", first, second, "--json"), status=1)
    differing = [row for row in found["networks"] if row["ratio"] and row["ratio"]["agreement"] == "differs"]
    assert [row["job"] for row in differing] == [json.loads(first.read_text().splitlines()[3])["job"]]
    assert differing[0]["ratio"]["relative"] == pytest.approx(0.10)
    assert object_of(lathe("table", "diff", first, second, "--tolerance", "20 %", "--json"))["agreement"] == "agrees"
    assert "differs" in lathe("table", "diff", first, second).out


def test_diff_names_machines_and_versions(lathe: Lathe, make: Make) -> None:
    found = object_of(
        lathe("table", "diff", make("a.jsonl"), make("b.jsonl", 2, 8, machine="elsewhere"), "--json"), status=0
    )
    assert found["facts"]["machine"] == [probe().fingerprint, "elsewhere"]
    assert (len(found["networks"]), found["only"]) == (5, [2, 2])


def test_diff_of_strangers_cannot_tell(lathe: Lathe, make: Make, tmp_path: Path) -> None:
    first = make("a.jsonl")
    second = tmp_path / "b.jsonl"
    header, *rest = first.read_text().splitlines()
    renamed = [line.replace(json.loads(line)["job"], f"other-{i}") for i, line in enumerate(rest)]
    second.write_text("\n".join([header, *renamed]) + "\n")
    answer = lathe("table", "diff", first, second)
    assert answer.status == 3
    assert "no network in common" in answer.out


def test_csv_and_parquet_hold_the_same(lathe: Lathe, make: Make, tmp_path: Path) -> None:
    path = make("a.jsonl")
    printed = lathe("table", "csv", path)
    assert (printed.status, printed.err) == (0, "")
    for name in ("t.csv", "t.parquet"):
        answer = lathe("table", "csv", path, "--out", tmp_path / name)
        assert (answer.status, answer.out) == (0, "")
    assert (tmp_path / "t.csv").read_text() == printed.out
    frame, other = pd.read_csv(tmp_path / "t.csv"), pd.read_parquet(tmp_path / "t.parquet")
    assert len(frame) == len(other) == 7 * 6
    assert np.allclose(frame["unit_s"], other["unit_s"])
    assert not other["foreign"].any()
    wrong = lathe("table", "csv", path, "--out", tmp_path / "t.xlsx")
    assert wrong.status == 2
    assert ".csv or .parquet" in wrong.words


@pytest.mark.parametrize("command", ["show", "merge", "diff", "csv"])
@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (None, 2, "cannot be read"),
        (b"not a journal\n", 3, "unreadable"),
        (b"\x89PNG\r\n", 3, ""),
        (b"", 3, "ends before its header"),
        (b'{"format":99,"target":"x"}\n', 3, "format 99"),
    ],
)
def test_bad_files(
    lathe: Lathe, make: Make, tmp_path: Path, command: str, data: bytes | None, status: int, words: str
) -> None:
    bad, out = tmp_path / "bad.jsonl", tmp_path / "c.jsonl"
    if data is not None:
        bad.write_bytes(data)
    second = [make("a.jsonl")] if command in ("merge", "diff") else []
    answer = lathe("table", command, bad, *second, *(["--out", out] if command == "merge" else []))
    assert (answer.status, answer.out, out.exists()) == (status, "", False)
    assert words in answer.words
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("text", ["3", "3 ms", "0 %", "100 %"])
def test_a_tolerance_is_a_share(lathe: Lathe, make: Make, text: str) -> None:
    path = make("a.jsonl", 0, 1)
    answer = lathe("table", "diff", path, path, "--tolerance", text)
    assert (answer.status, answer.out) == (2, "")
    assert "`--tolerance`" in answer.words
