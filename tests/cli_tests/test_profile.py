"""`lathe profile` on the null runtime: the folder, its answer, going on, and what is refused."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from hwprofiles import Target, unavailable

from .conftest import Answer, Lathe
from .project import NET

TARGET = "cpu-null-fp32-b1-t1"
RUN = f"runs/net-make_net-{TARGET}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def _once(lathe: Lathe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    folder = tmp_path_factory.mktemp("once") / "place"
    folder.mkdir()
    (folder / "net.py").write_text(NET)
    with contextlib.chdir(folder):
        return folder, profile(lathe, "--json")


@pytest.fixture
def profiled(
    _once: tuple[Path, Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, dict[str, Any]]:
    """A place with a profile in its default folder and another copy of it in `p`, and what the command said."""
    place = Path(shutil.copytree(_once[0], tmp_path / "profiled"))
    monkeypatch.chdir(place)
    shutil.copytree(place / RUN, place / "p")
    return place, object_of(_once[1])


def profile(lathe: Lathe, *more: object, target: str = TARGET) -> Answer:
    return lathe("profile", "net.py:make_net", "--target", target, "--input", "3,8,8", "--networks", 12, *more)


def object_of(answer: Answer) -> dict[str, Any]:
    assert answer.status == 0, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    return found


def lines(folder: Path) -> list[str]:
    return (folder / "table.jsonl").read_text().splitlines()


def networks(folder: Path) -> list[str]:
    """Return the job of each line that is about a network, the unpruned one's too."""
    return [record["job"] for record in map(json.loads, lines(folder)[1:]) if "job" in record]


def test_it_leaves_a_table_its_error_and_a_page(profiled: tuple[Path, dict[str, Any]]) -> None:
    place, found = profiled
    folder = place / RUN
    assert {path.name for path in folder.iterdir()} == {"table.jsonl", "profile.json", "profile.html", "run.json"}
    assert found["rows"] == found["networks"]["timed"] + 1 == len(networks(folder))
    assert found["held_out"].keys() >= {
        "n", "mape", "bias", "within_5", "within_10", "kendall_tau", "kendall_tau_ceiling"
    }  # fmt: skip
    assert found["held_out"]["n"] == found["networks"]["timed"]
    assert 0 < found["seconds"] < found["time_limit_s"] == 240
    assert json.loads((folder / "profile.json").read_text()) == found
    page = (folder / "profile.html").read_text()
    assert len(found["stairs"]) > 0
    assert page.count('class="plotly-graph-div"') == 2 + len(found["stairs"])
    units = {layer["unit"] for layer in found["layers"]}
    assert units == {"stem.0", *(f"blocks.{i}.conv{j}" for i in (0, 1) for j in (1, 2)), "head"}
    total = sum(layer["seconds"] for layer in found["layers"])
    assert total == pytest.approx(found["reference"]["then"]["median"], rel=0.02)
    assert sum(layer["share"] for layer in found["layers"]) == pytest.approx(1)


def test_the_same_command_times_nothing_again_and_says_the_same(
    lathe: Lathe, profiled: tuple[Path, dict[str, Any]]
) -> None:
    place, first = profiled
    before = lines(place / "p")
    again = object_of(profile(lathe, "--json", "--out", "p"))
    assert lines(place / "p") == before
    for key in ("held_out", "layers", "uncovered", "timed"):
        assert again[key] == first[key]


def test_a_kill_loses_the_timing_under_way_only(lathe: Lathe, profiled: tuple[Path, dict[str, Any]]) -> None:
    place, whole = profiled
    kept = lines(place / "p")
    (place / "p/table.jsonl").write_text("\n".join(kept[:6]) + "\n" + kept[6][:99])
    again = object_of(profile(lathe, "--json", "--out", "p"))
    jobs = networks(place / "p")
    assert sorted(jobs) == sorted(json.loads(line)["job"] for line in kept[1:] if "job" in json.loads(line))
    assert lines(place / "p")[:6] == kept[:6]
    assert again["held_out"]["n"] == whole["held_out"]["n"]


@pytest.mark.slow
def test_a_time_limit_that_is_too_small_says_what_is_uncovered_and_gets_on(
    lathe: Lathe, profiled: tuple[Path, dict[str, Any]]
) -> None:
    _, whole = profiled
    # As long as all of it took: a twentieth is kept for the fit, which takes no time on the null runtime's clock.
    limit = f"{whole['seconds']:.6f} s"
    small = object_of(profile(lathe, "--json", "--out", "q", "--time-limit", limit))
    untimed, cells = small["networks"]["untimed"], small["uncovered"]["cells"]
    assert untimed > 0
    assert 0 < cells["count"] < cells["of"]
    assert cells["share"] == pytest.approx(cells["count"] / cells["of"])
    (warning,) = [text for text in small["warnings"] if "time limit" in text]
    assert f"{cells['count']} of {cells['of']} cells" in warning
    assert "--time-limit" in warning
    more = object_of(profile(lathe, "--json", "--out", "q"))
    assert more["networks"]["untimed"] == 0
    assert more["uncovered"]["cells"]["count"] < cells["count"]


@pytest.mark.slow
def test_too_little_to_predict_from_is_an_error_that_keeps_what_was_timed(lathe: Lathe, place: Path) -> None:
    answer = profile(lathe, "--out", "p", "--time-limit", "1 ms")
    assert (answer.status, answer.out) == (3, "")
    assert "`--time-limit`" in answer.words
    assert "kept" in answer.words
    kept = len(lines(place / "p"))
    profile(lathe, "--out", "p", "--time-limit", "1 ms")
    assert len(lines(place / "p")) > kept


def test_the_folder_of_another_network_or_target_is_refused(
    lathe: Lathe, profiled: tuple[Path, dict[str, Any]]
) -> None:
    place, _ = profiled
    before = lines(place / "p")
    other = profile(lathe, "--out", "p", target="cpu-null-fp32-b2-t1")
    assert other.status == 2
    assert f"target: '{TARGET}', now 'cpu-null-fp32-b2-t1'" in other.words
    (place / "net.py").write_text(NET.replace("64", "48"))
    changed = profile(lathe, "--out", "p")
    assert changed.status == 2
    assert "structure: " in changed.words
    assert lines(place / "p") == before
    (place / "p/run.json").unlink()
    assert "table.jsonl" in profile(lathe, "--out", "p").words


@pytest.mark.slow
def test_the_table_of_another_machine_is_refused_unless_allowed_and_then_marked(
    lathe: Lathe, profiled: tuple[Path, dict[str, Any]]
) -> None:
    place, _ = profiled
    path = place / "p/table.jsonl"
    here = json.loads(lines(place / "p")[0])["fingerprint"]
    path.write_text(path.read_text().replace(here, "elsewhere"))
    answer = profile(lathe, "--out", "p")
    assert (answer.status, answer.out) == (2, "")
    assert "--allow-foreign" in answer.words
    found = object_of(profile(lathe, "--json", "--out", "p", "--allow-foreign"))
    assert found["foreign"] == found["rows"]
    assert all(row["foreign"] for row in found["timed"])
    assert all(row["foreign"] for row in found["predictions"])
    assert "foreign" in (place / "p/profile.html").read_text()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--time-limit", "4"], "has no unit"),
        (["--time-limit", "4m"], "'4 min'"),
        (["--time-limit", "50%"], "is a time above 0"),
        (["--time-limit", "0 s"], "is a time above 0"),
        (["--networks", "1"], "--networks"),
        (["--target", "cpu-null"], "cpu-onnxruntime-fp32-b1-t1"),
        (["--target", "cpu-nul-fp32-b1-t1"], "did you mean 'null'"),
        (["--target", "tpu-onnxruntime-fp32-b1-t1"], "cpu and cuda here, but got 'tpu'"),
        (["--input", "3,8,8", "--input", "3x8"], "3x8"),
        (["--weights", "none.safetensors"], "does not exist"),
    ],
)
def test_wrong_use(lathe: Lathe, place: Path, more: list[str], words: str) -> None:
    answer = profile(lathe, *more)
    assert answer.out == ""
    assert answer.status in (2, 3)
    assert words in answer.words
    assert "Traceback" not in answer.err
    assert not (place / "runs").exists()


def test_a_runtime_that_is_not_installed_is_said_to_be_missing(
    lathe: Lathe, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    answer = profile(lathe, target="cuda-tensorrt-fp16-b1-t1")
    assert answer.out == ""
    assert "The package tensorrt must import" in answer.words


def test_the_terminal_shows_the_error_and_where_the_time_goes(
    lathe: Lathe, profiled: tuple[Path, dict[str, Any]]
) -> None:
    shown = profile(lathe, "--out", "p")
    assert shown.status == 0
    for text in ("within 5 %", "not covered", "stairs", "blocks.0.conv1", "profile.html"):
        assert text in " ".join(shown.out.split())


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch"])
def test_it_works_on_each_runtime(lathe: Lathe, place: Path, runtime: str) -> None:
    target = f"cpu-{runtime}-fp32-b1-t1"
    reason = unavailable(Target.parse(target))
    if reason is not None:
        pytest.skip(reason)
    # Large enough that counters of whole microseconds see every unit.
    more = ("--input", "3,64,64", "--networks", 12, "--out", "p", "--json")
    found = object_of(lathe("profile", "net.py:make_net", "--target", target, *more))
    assert found["target"] == target
    assert found["networks"]["timed"] > 0
    assert not found["failed"]
    assert len(found["stairs"]) > 0
    assert found["kernels"]["units_with_kernels"] > 0.9
    units = {layer["unit"] for layer in found["layers"]}
    assert units == {"stem.0", *(f"blocks.{i}.conv{j}" for i in (0, 1) for j in (1, 2)), "head"}
    assert all(layer["seconds"] > 0 for layer in found["layers"])


@pytest.mark.slow
def test_a_runtime_that_compiles_for_long_needs_few_networks_and_no_sweep(
    lathe: Lathe, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = "cpu-aotinductor-fp32-b1-t1"
    reason = unavailable(Target.parse(target))
    if reason is not None:
        pytest.skip(reason)
    monkeypatch.setenv("LATHE_CACHE", str(place / "cache"))
    more = ("--input", "3,32,32", "--networks", 4, "--time-limit", "1h", "--out", "p", "--json")
    found = object_of(lathe("profile", "net.py:make_net", "--target", target, *more))
    assert found["networks"]["timed"] == 4
    assert found["stairs"] == [], "each width would be a compilation"
    assert found["kernels"]["hit_rate"] is None
    assert all(layer["seconds"] > 0 for layer in found["layers"]), "laws of whole networks"
    packages = list((place / "cache" / "aotinductor").glob("*.pt2"))
    assert len(packages) == 5, "each network once, the unpruned one among them"
