"""The commands that need no run, and what is no command."""

import json
import shutil
from pathlib import Path

import pytest

from hwprofiles import RUNTIMES
from search import load_config
from search.demo import demo_config

from .conftest import Lathe
from .project import NET, write_images


def test_init_writes_a_config_that_loads(lathe: Lathe, tmp_path: Path) -> None:
    path = tmp_path / "my [net].toml"
    answer = lathe("init", path)
    assert (answer.status, answer.out) == (0, "")
    assert f"Wrote {path}" in answer.words
    missing = lathe("run", path)
    assert missing.status == 2
    assert "net.py does not exist" in missing.words
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "net.safetensors").touch()
    for name in ("train.parquet", "val.parquet"):
        write_images(tmp_path / name, 4, seed=0)
    config = load_config(path)
    assert config.target.slug == "cpu-onnxruntime-fp32-b1-t1"
    assert config.run.out == tmp_path / "runs/net"


def test_init_never_overwrites(lathe: Lathe, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text("mine")
    answer = lathe("init", path)
    assert answer.status == 2
    assert "A config is never overwritten" in answer.words
    assert path.read_text() == "mine"


def test_init_where_nothing_can_be_written(lathe: Lathe, tmp_path: Path) -> None:
    answer = lathe("init", tmp_path / "no-such-folder/net.toml")
    assert answer.status == 2
    assert "The config must be writable" in answer.words


def test_targets(lathe: Lathe) -> None:
    found = json.loads(lathe("targets", "--json").out)
    rows = {row["target"]: row for row in found["targets"]}
    assert {row["runtime"] for row in found["targets"]} == set(RUNTIMES)
    cpu = rows["cpu-onnxruntime-fp32-b1-t1"]
    assert cpu["unavailable"] is None
    assert "onnxruntime" in cpu["versions"]
    for row in found["targets"]:
        assert (row["versions"] is None) == isinstance(row["unavailable"], str)
    assert found["hardware"]
    assert found["shipped"] is None or found["shipped"]["hardware"]["cpu_model"] == found["hardware"]["cpu_model"]
    text = lathe("targets")
    assert found["fingerprint"] in "".join(text.out.split())
    assert (text.status, text.err) == (0, "")
    for name in rows:
        assert name in text.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["run"], "Missing argument"),
        (["run", "net.toml", "--budget", "1 ms"], "No such option"),
        (["demo", "--seed", "-1"], "--seed"),
        (["demo", "--seed", str(2**32)], "--seed"),
        (["demo", "--seed", "one"], "--seed"),
        (["init", "a", "b"], "unexpected extra argument"),
        ([], "Usage"),
    ],
)
def test_wrong_use(
    lathe: Lathe, tmp_path: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = lathe(*arguments)
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [None, "demo", "init", "run", "targets", "verify", "report", "doctor"])
def test_help(lathe: Lathe, command: str | None) -> None:
    answer = lathe(*([command] if command else []), "--help")
    assert answer.status == 0
    assert "Usage" in answer.out


def test_demo_into_a_folder_that_cannot_be_made(lathe: Lathe, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = lathe("demo", "--out", tmp_path / "file/demo", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "The run folder must be writable" in answer.words


def test_json_of_a_demo_that_is_complete(lathe: Lathe, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    out.mkdir()
    (out / "trained-0.safetensors").write_bytes(b"trained before")
    shutil.copytree(finished / "run/bundle", out / "bundle")
    (out / "run.json").write_text(json.dumps(demo_config(out, 0).identity()))
    answer = lathe("demo", "--out", out, "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert found["verdict"] == "met"
    assert found["bundle"] == str(out / "bundle")
    other = lathe("demo", "--out", out, "--seed", 1, "--json")
    assert (other.status, other.out) == (2, "")
    assert "run.seed: 0, now 1" in other.words
