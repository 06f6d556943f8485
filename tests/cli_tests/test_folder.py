"""A run folder that cannot be used ends with status 2 and the remedy; whatever was finished stays."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hwprofiles.files import whole

from .conftest import Answer, Lathe
from .project import write_config


def _refused(answer: Answer, *words: str, status: int = 2) -> None:
    assert (answer.status, answer.out) == (status, "")
    assert "Traceback" not in answer.err
    assert [word for word in words if word not in answer.words] == []


def test_belongs_to_another_config(lathe: Lathe, finished: Path) -> None:
    before = (finished / "run/bundle/report.json").read_bytes()
    config = write_config(finished, ("trials = 6", "trials = 7"), ('"60 %"', '"50 %"'))
    answer = lathe("run", config, "--json")
    _refused(answer, "was filled by another config", "search.trials: 6, now 7", "0.6, now 0.5", "[run] out")
    assert (finished / "run/bundle/report.json").read_bytes() == before


def test_belongs_to_other_weights(lathe: Lathe, finished: Path) -> None:
    weights = finished / "net.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    _refused(lathe("run", finished / "net.toml"), "model.weights_sha256")


def test_mended_config_goes_on_where_nothing_was_done(lathe: Lathe, project: Path) -> None:
    answer = lathe("run", write_config(project, ("mean =", 'label_column = "lable"\nmean =')))
    _refused(answer, "Did you mean 'label'?")
    assert (project / "run").exists()
    assert lathe("run", write_config(project)).status == 0


def test_another_process_is_at_work(lathe: Lathe, project: Path) -> None:
    (project / "run").mkdir()
    with (project / "run/run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _refused(lathe("run", project / "net.toml", "--json"), "One process at a time", "wait for it")
    assert not (project / "run/run.json").exists()


@pytest.mark.parametrize("place", ["in-the-way", "in-the-way/run", "dangling"])
def test_no_folder_can_be_made(lathe: Lathe, project: Path, place: str) -> None:
    (project / "in-the-way").write_text("a file")
    (project / "dangling").symlink_to(project / "nowhere/run")
    answer = lathe("run", write_config(project, ('out = "run"', f'out = "{place}"')), "--json")
    _refused(answer, "The run folder must be writable", place.partition("/")[0], "[run] out")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_read_only(lathe: Lathe, project: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(path: Any, *_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refuse)
        answer = lathe("run", project / "net.toml", "--json")
    _refused(answer, "The run folder must be writable", str(project / "run"), os.strerror(number), "permissions")


def test_becomes_read_only(lathe: Lathe, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        _refused(lathe("run", project / "net.toml"), "must be writable", str(project / "run"))


@pytest.mark.parametrize("calls", [0, 60, 111])
def test_disk_full_on_the_way(
    lathe: Lathe, finished: Path, project: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    sync, count = os.fsync, 0

    def fill(handle: int) -> None:
        nonlocal count
        count += 1
        if count > calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill)
        answer = lathe("run", project / "net.toml", "--json")
    _refused(answer, "The disk that holds", str(project / "run"), "is full", "make room", "same command", status=3)
    assert lathe("run", project / "net.toml").status == 0
    structures = [json.loads((at / "run/bundle/structure.json").read_text()) for at in (finished, project)]
    assert structures[0]["candidate"] == structures[1]["candidate"]
    assert structures[0]["hashes"] == structures[1]["hashes"]


@pytest.mark.parametrize("file", ["finetune.ckpt", "report.html"])
def test_file_on_a_full_disk(
    lathe: Lathe, finished: Path, project: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = whole._place

    def full(part: Path, path: Path, *, replace: bool) -> None:
        if path.name == file:
            raise OSError(errno.ENOSPC, "No space left on device")
        place(part, path, replace=replace)

    monkeypatch.setattr(whole, "_place", full)
    _refused(lathe("run", project / "net.toml", "--json"), "The disk that holds", "is full", status=3)
    assert not list((project / "run").rglob("*.part"))
    monkeypatch.undo()
    assert lathe("run", project / "net.toml").status == 0
    assert (project / "run/bundle/report.html").exists()


def test_damaged_file(lathe: Lathe, project: Path) -> None:
    (project / "run").mkdir()
    (project / "run/run.json").write_text("{")
    _refused(lathe("run", project / "net.toml"), "run.json must hold JSON", "delete it")


@pytest.mark.slow
def test_two_runs_started_at_the_same_moment(project: Path) -> None:
    """One gets the new folder, the other a clear error; whoever comes second has written nothing."""
    arguments = [sys.executable, "-m", "search", "run", str(project / "net.toml"), "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    both = [
        subprocess.Popen(
            arguments, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ended = [(*process.communicate(), process.returncode) for process in both]
    statuses = sorted(status for *_, status in ended)
    # The slower one may begin after the other's end: then it finds the answer.
    assert statuses in ([0, 2], [0, 0])
    for out, err, status in ended:
        if status:
            assert out == ""
            assert "One process at a time works in a run folder" in " ".join(err.split())
        else:
            assert json.loads(out)["verdict"] == "met"


def test_nothing_is_written_before_the_lock(lathe: Lathe, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    out.mkdir()
    with (out / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _refused(lathe("demo", "--out", out, "--json"), "One process at a time")
    assert [path.name for path in out.iterdir()] == ["run.lock"]


@pytest.mark.parametrize("name", ["baseline.safetensors", "candidates/best.safetensors"])
def test_a_run_never_writes_over_what_it_was_given(lathe: Lathe, project: Path, name: str) -> None:
    given = project / "run" / name
    given.parent.mkdir(parents=True)
    (project / "net.safetensors").rename(given)
    before = given.read_bytes()
    config = write_config(project, ('weights = "net.safetensors"', f'weights = "run/{name}"'))
    _refused(lathe("run", config, "--json"), "never writes over what it was given", name.partition("/")[0], "[run] out")
    assert given.read_bytes() == before


def test_a_demo_into_another_runs_folder_trains_nothing_there(lathe: Lathe, finished: Path) -> None:
    _refused(lathe("demo", "--out", finished / "run", "--json"), "was filled by another config")
    assert not list((finished / "run").glob("trained-*"))
