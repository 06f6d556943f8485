"""A run folder belongs to one run, is worked on by one process, and holds whole files."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hwprofiles import UnfitFileError
from search.config import RunSettings, SearchConfig
from search.engine.folder import IDENTITY_FILE, open_folder, stage_seconds
from search.errors import RunFolderError
from search.folder import Folder, translated
from tests.limits import within
from tests.run_tests.small import config_of


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path)
    folder.write("deep/er/file", b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="is full"), translated(tmp_path):
        folder.write("deep/er/file", b"new")
    assert folder.file("deep/er/file").read_bytes() == b"old"
    monkeypatch.undo()
    assert folder.write("deep/er/file", b"new").read_bytes() == b"new"
    assert [path.name for path in folder.file("deep/er").iterdir()] == ["file"]


def test_json_comes_back_and_damage_is_named(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.read_json("x.json") is None
    value = {"a": [1, 2.5, None], "b": "text"}
    folder.write_json("x.json", value)
    assert folder.read_json("x.json") == value
    folder.file("x.json").write_text('{"a": [1,')
    with pytest.raises(RunFolderError, match=r"x\.json must hold JSON"):
        folder.read_json("x.json")
    with pytest.raises(ValueError, match="JSON"):
        folder.write_json("y.json", float("nan"))
    assert not folder.file("y.json").exists()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run")
    with open_folder(config), pytest.raises(RunFolderError, match="One process at a time"), open_folder(config):
        pass
    with open_folder(config):
        pass


def test_another_config_is_told_what_differs(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run")
    with open_folder(config) as folder:
        assert json.loads(folder.file(IDENTITY_FILE).read_text()) == config.identity()
        folder.write("table.jsonl", b"work that is worth protecting")
    before = (tmp_path / "run" / IDENTITY_FILE).read_bytes()
    others = [
        (replace(config, run=RunSettings(seed=7, out=config.run.out)), "seed"),
        (replace(config, search=SearchConfig(trials=7, calibration=32, table_networks=10)), "trials"),
    ]
    for other, word in others:
        with pytest.raises(RunFolderError, match=word), open_folder(other):
            pass
    assert (tmp_path / "run" / IDENTITY_FILE).read_bytes() == before
    moved = replace(config, search=replace(config.search, time_limit_s=60.0))
    with open_folder(moved):
        pass


def test_a_folder_that_cannot_be_written_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="must be writable"), open_folder(config_of(tmp_path / "file" / "run")):
        pass
    for code, words in ((errno.EROFS, "must be writable"), (errno.EDQUOT, "is full")):
        with pytest.raises(RunFolderError, match=words), translated(tmp_path):
            raise OSError(code, os.strerror(code), str(tmp_path / "x"))
    with pytest.raises(OSError, match="strange"), translated(tmp_path):
        raise OSError(errno.EIO, "strange")


OWN = (
    "run.json run.lock stages.json table.jsonl objectives.jsonl study-0.log starts-0.json baseline.onnx bundle "
    "bundle/report.html candidates candidates/abc candidates/abc/finetune.ckpt"
)


@pytest.mark.parametrize("name", OWN.split())
@pytest.mark.parametrize("odd", ["link", "pipe"])
def test_a_link_or_a_pipe_among_a_runs_own_files_is_refused(tmp_path: Path, name: str, odd: str) -> None:
    config, mine = config_of(tmp_path / "run"), tmp_path / "mine"
    mine.mkdir()
    path = config.run.out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(mine) if odd == "link" else os.mkfifo(path)
    with within(5), pytest.raises(UnfitFileError, match=f"{path.name} is a {odd}"), open_folder(config):
        pass
    assert list(mine.iterdir()) == []


def test_links_to_a_run_folder_and_beside_a_runs_own_files_are_the_users_affair(tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "large")
    (tmp_path / "large" / "data").symlink_to(tmp_path)
    # What Optuna leaves of its lock when a run is killed.
    (tmp_path / "large" / "study-0.log.lock").symlink_to(tmp_path / "large" / "study-0.log")
    for _ in range(2):
        with open_folder(config_of(tmp_path / "run")):
            pass
    assert (tmp_path / "large" / "run.json").is_file()


def test_what_a_killed_run_left_half_written_goes(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run")
    name = f".lathe-{'a' * 16}.part"
    places = [config.run.out / place for place in (".", "bundle", "candidates/abc")]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"half")
    with open_folder(config):
        assert not list(config.run.out.rglob("*.part"))


def test_seconds_of_stages_add_up(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert stage_seconds(folder) == {}
    stage_seconds(folder, {"table": 2.0})
    stage_seconds(folder, {"table": 1.5, "search": 4.0})
    assert stage_seconds(Folder(tmp_path)) == {"table": 3.5, "search": 4.0}
