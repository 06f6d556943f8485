"""A bundle, a table or a run folder that a stranger made: what is odd in it is refused by name, and soon."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto

from hwprofiles import UnfitFileError
from search import load_subnet
from search.bundle.names import BUNDLE_FILES
from tests.limits import within

from .conftest import Lathe

HUGE = 2**40
SLUGS = {"onnx": "cpu-null-fp32-b1-t1", "program": "cpu-torch-fp32-b1-t1"}


def zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (link, "is a link"),
    "zero": (zero, "is a link"),
    "pipe": (os.mkfifo, "is a pipe"),
    "folder": (Path.mkdir, "is a folder"),
    "huge": (huge, f"has {HUGE:,} or more"),
}


def put(path: Path, odd: str) -> str:
    """Put something odd at a path; return what is said of it."""
    path.unlink(missing_ok=True)
    make, words = ODD[odd]
    make(path)
    return words


KINDS = ("link", "zero", "pipe", "folder")


@pytest.mark.parametrize(
    ("command", "name", "odd"),
    [
        *(("verify", name, KINDS[i % 4]) for i, name in enumerate(sorted(BUNDLE_FILES))),
        *(("report", name, odd) for name in ("report.json", "report.md") for odd in KINDS),
    ],
)
def test_a_bundle_with_something_odd_is_refused_by_name(
    lathe: Lathe, finished: Path, command: str, name: str, odd: str
) -> None:
    bundle = finished / "run/bundle"
    words = put(bundle / name, odd)
    with within(20):
        answer = lathe(command, bundle, "--json")
    assert (answer.status, answer.out) == (2, "")
    assert f"{name} {words}" in answer.words


@pytest.mark.parametrize("command", ["report", "verify"])
@pytest.mark.parametrize("name", ["report.md.part", "notes", ".hidden"])
def test_a_link_of_any_name_in_a_bundle_is_refused(lathe: Lathe, finished: Path, command: str, name: str) -> None:
    mine = finished / "mine"
    mine.write_text("the user's own")
    (finished / "run/bundle" / name).symlink_to(mine)
    answer = lathe(command, finished / "run/bundle", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert f"{name} is a link" in answer.words
    assert mine.read_text() == "the user's own"


def test_a_run_folder_whose_bundle_is_a_link_is_refused(lathe: Lathe, finished: Path) -> None:
    other = finished / "other"
    (finished / "run/bundle").rename(other)
    before = {path.name: path.read_bytes() for path in other.iterdir()}
    (finished / "run/bundle").symlink_to(other)
    for command in (("report", "run"), ("verify", "run"), ("run", "net.toml")):
        answer = lathe(command[0], finished / command[1], "--json")
        assert (answer.status, answer.out) == (2, "")
        assert "bundle is a link" in answer.words
    assert {path.name: path.read_bytes() for path in other.iterdir()} == before


def test_a_link_that_the_user_names_is_followed(lathe: Lathe, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(finished / "run/bundle")
    assert lathe("report", tmp_path / "link").status == 0
    (finished / "run/bundle/notes").mkdir()
    assert lathe("verify", tmp_path / "link", "--json").status == 0


@pytest.mark.parametrize("name", ["report.json", "model.onnx", "baseline.onnx"])
def test_a_huge_file_in_a_bundle_is_not_read(lathe: Lathe, finished: Path, name: str) -> None:
    words = put(finished / "run/bundle" / name, "huge")
    with within(20):
        answer = lathe("verify", finished / "run", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words


@pytest.mark.parametrize("name", ["graph.json", "model.safetensors", "baseline_graph.json", "baseline.safetensors"])
def test_a_huge_stored_network_is_not_read(lathe: Lathe, finished: Path, name: str) -> None:
    words = put(finished / "run/bundle" / name, "huge")
    with within(20):
        answer = lathe("verify", finished / "run", "--target", SLUGS["program"], "--json")
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words


@pytest.mark.parametrize("name", ["graph.json", "model.safetensors"])
@pytest.mark.parametrize("odd", ODD)
def test_a_network_is_not_loaded_from_what_is_no_file(finished: Path, name: str, odd: str) -> None:
    words = put(finished / "run/bundle" / name, odd)
    with within(10), pytest.raises(UnfitFileError, match=words):
        load_subnet(finished / "run/bundle")


@pytest.mark.parametrize("odd", ODD)
def test_another_report_that_is_no_file_is_not_read(lathe: Lathe, finished: Path, odd: str) -> None:
    words = put(finished / "other.json", odd)
    with within(20):
        answer = lathe("verify", finished / "run", "--against", finished / "other.json", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words


@pytest.mark.parametrize(
    ("command", "odd"), [*(("merge", odd) for odd in ODD), ("show", "pipe"), ("csv", "zero"), ("diff", "huge")]
)
def test_a_table_that_is_no_file_is_not_read(
    lathe: Lathe, finished: Path, tmp_path: Path, command: str, odd: str
) -> None:
    words = put(tmp_path / "table.jsonl", odd)
    more: dict[str, list[Any]] = {
        "diff": [finished / "run/table.jsonl"],
        "merge": [finished / "run/table.jsonl", "--out", tmp_path / "new"],
    }
    with within(20):
        answer = lathe("table", command, tmp_path / "table.jsonl", *more.get(command, []))
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("run.json", "link"),
        ("run.lock", "pipe"),
        ("table.jsonl", "folder"),
        ("objectives.jsonl", "link"),
        ("study-0.log", "pipe"),
    ],
)
def test_a_run_does_not_go_on_in_a_folder_with_something_odd(lathe: Lathe, finished: Path, name: str, odd: str) -> None:
    shutil.rmtree(finished / "run/bundle")
    words = put(finished / "run" / name, odd)
    with within(60):
        answer = lathe("run", finished / "net.toml", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert f"{name} {words}" in answer.words


@pytest.mark.parametrize("name", ["run.json", "table.jsonl", "objectives.jsonl", "study-0.log", "baseline_graph.json"])
def test_a_run_does_not_read_a_huge_file(lathe: Lathe, finished: Path, name: str) -> None:
    shutil.rmtree(finished / "run/bundle")
    words = put(finished / "run" / name, "huge")
    with within(120):
        answer = lathe("run", finished / "net.toml", "--json")
    if name == "baseline_graph.json":
        # It is written anew.
        assert answer.status == 0, answer.err
        return
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words


def changed(bundle: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    """Change a bundle's ONNX file, and what the report says of it: so would a stranger."""
    model = onnx.load(bundle / "model.onnx")
    change(model)
    content = model.SerializeToString()
    (bundle / "model.onnx").write_bytes(content)
    report: dict[str, Any] = json.loads((bundle / "report.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    report["hashes"]["subnet"] = digest
    report["files"]["model.onnx"] = digest
    (bundle / "report.json").write_text(json.dumps(report))


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="*/_ORT_MEM_ADDR_/*")
    tensor.external_data.add(key="offset", value="4096")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (external, "in another file ('*/_ORT_MEM_ADDR_/*')"),
        (lambda model: setattr(model.graph.node[0], "domain", "some.vendor"), "calls 'some.vendor."),
        (lambda model: model.graph.node[0].ClearField("output"), "must be a valid one"),
    ],
    ids=["external", "vendor", "broken"],
)
@pytest.mark.parametrize("slug", [SLUGS["onnx"], "cpu-onnxruntime-fp32-b1-t1"])
def test_an_onnx_file_that_reaches_outside_is_refused(
    lathe: Lathe, finished: Path, change: Callable[[onnx.ModelProto], object], words: str, slug: str
) -> None:
    changed(finished / "run/bundle", change)
    answer = lathe("verify", finished / "run", "--target", slug, "--json")
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words
    assert "model.onnx cannot be used" in answer.words
