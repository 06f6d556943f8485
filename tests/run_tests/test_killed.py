"""A run that is killed with -9 at any moment, and started again by the same command, ends where it would have ended."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.engine import run

from .small import config_of, journal, main

ROOT = Path(__file__).parents[2]


def whole_lines(path: Path) -> bytes:
    """Return what of a journal is safe: its whole lines."""
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]


def structure_of(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "bundle" / "structure.json").read_text())
    return {key: loaded[key] for key in ("candidate", "selection", "config")}


def check_same_end(out: Path, undisturbed: Path) -> None:
    """Check that the answer is the undisturbed one, and that no job was timed twice."""
    assert structure_of(out) == structure_of(undisturbed)
    jobs, expected = ([row["job"] for row in journal(folder)] for folder in (out, undisturbed))
    assert len(jobs) == len(set(jobs))
    assert jobs == expected
    reports = [json.loads((folder / "bundle" / "report.json").read_text()) for folder in (out, undisturbed)]
    assert reports[0]["verdict"] == reports[1]["verdict"] == "met"
    assert reports[0]["ratio"]["median"] == pytest.approx(reports[1]["ratio"]["median"], rel=1e-6)
    assert reports[0]["accuracy"] == reports[1]["accuracy"]
    assert [t["objective"] for t in reports[0]["search"]["trials"]] == [
        t["objective"] for t in reports[1]["search"]["trials"]
    ]
    left = [path.name for path in out.rglob("*.part")]
    assert len(left) == len(set(left)), "no more than one unfinished file of a name"


def command(out: Path) -> subprocess.Popen[str]:
    """Start the run in a process of its own, and wait until its imports are done."""
    arguments = [sys.executable, "-m", f"{__package__}.small", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n"
    return process


def kill_after(out: Path, seconds: float) -> bool:
    """Run for some seconds, kill, and say whether the run was still at work."""
    with command(out) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def finish(out: Path) -> None:
    with command(out) as process:
        answer = process.stdout.read() if process.stdout is not None else ""
    assert process.returncode == 0
    assert answer == "met\n"


@pytest.fixture(scope="module")
def duration(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an undisturbed run takes after its imports."""
    out = tmp_path_factory.mktemp("timed") / "run"
    with command(out) as process:
        began = time.monotonic()
        process.wait()
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(10))
def test_ten_kills_at_random_moments_change_nothing(
    tmp_path: Path, finished: Path, duration: float, moment: int
) -> None:
    # One moment in each tenth of the run, so that they are spread over all of it.
    rng = np.random.default_rng([2026, moment])
    out = tmp_path / "run"
    killed = kill_after(out, duration * (moment + rng.random()) / 10)
    stored = whole_lines(out / "table.jsonl")
    finish(out)
    assert (out / "table.jsonl").read_bytes().startswith(stored), "what was stored is kept as it is"
    check_same_end(out, finished)
    # A machine that is busy while `duration` is taken makes late moments too late.
    assert killed or moment >= 4, "an early kill must find the run at work"


def written(out: Path) -> int:
    """Return how many bytes a run has written so far."""
    sizes = []
    for path in out.rglob("*"):
        # Files are renamed while they are counted.
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size if path.is_file() else 0)
    return sum(sizes)


@pytest.mark.slow
def test_one_run_killed_again_and_again_changes_nothing(tmp_path: Path, finished: Path) -> None:
    """Each process is killed soon after it has written something new, so that every one gets a little further."""
    rng = np.random.default_rng(7)
    out, stored, kills = tmp_path / "run", b"", 0
    for _ in range(8):
        enough = written(out) + int(rng.integers(1, 40_000))
        with command(out) as process:
            while process.poll() is None and written(out) < enough:
                time.sleep(0.001)
            process.kill()
        kills += process.returncode == -signal.SIGKILL
        assert whole_lines(out / "table.jsonl").startswith(stored)
        stored = whole_lines(out / "table.jsonl")
    assert kills >= 4
    finish(out)
    assert (out / "table.jsonl").read_bytes().startswith(stored)
    check_same_end(out, finished)


@pytest.mark.slow
def test_kills_from_one_stored_table_time_no_network_again(tmp_path: Path, finished: Path, duration: float) -> None:
    rng = np.random.default_rng(8)
    for number in range(3):
        out = tmp_path / str(number)
        out.mkdir()
        shutil.copy(finished / "table.jsonl", out / "table.jsonl")
        kill_after(out, duration * rng.random())
        finish(out)
        assert (out / "table.jsonl").read_bytes() == (finished / "table.jsonl").read_bytes()
        check_same_end(out, finished)


def kill_when(out: Path, reached: Callable[[], bool]) -> bool:
    """Run in a forked process, kill it once something is on the disk, and say whether it was still at work."""
    context = multiprocessing.get_context("forkserver")
    # What a run imports as it goes, so that each fork starts with it.
    late = ["torch._dynamo", "torch.onnx._internal.exporter._core", "onnxscript", "sklearn.datasets"]
    context.set_forkserver_preload([f"{__package__}.small", *late])
    process: BaseProcess = context.Process(target=main, args=(str(out),))
    process.start()
    while process.is_alive() and not reached():
        time.sleep(0.001)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def test_two_kills_change_nothing(finished: Path, out: Path) -> None:
    """One while the table is built, one while the network is fine-tuned."""
    table = out / "table.jsonl"
    assert kill_when(out, lambda: len(whole_lines(table).splitlines()) >= 5)
    stored = whole_lines(table)
    # A kill inside a write leaves a part of a line.
    with table.open("ab") as file:
        file.write(b'{"kind":"network","job":"')
    assert kill_when(out, lambda: any(out.glob("candidates/*/finetune.ckpt")))
    assert not (out / "bundle").exists()
    run(config_of(out))
    assert table.read_bytes().startswith(stored)
    check_same_end(out, finished)


@pytest.mark.parametrize(
    "lost",
    [
        ["bundle"],
        ["bundle", "candidates/*/verify.json"],
        ["bundle", "candidates/*/verify.json", "candidates/*/accuracy.json", "candidates/*/model.onnx"],
        ["bundle", "candidates", "study-0.log", "starts-0.json"],
    ],
    ids=["report", "verification", "export", "search"],
)
def test_a_run_goes_on_from_each_of_its_steps(finished: Path, tmp_path: Path, lost: list[str]) -> None:
    """What a kill before a step leaves is a folder without the files of that step and all later ones."""
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    for pattern in lost:
        for path in out.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    scores = (out / "objectives.jsonl").read_bytes()
    assert run(config_of(out)).fresh
    assert (out / "objectives.jsonl").read_bytes() == scores, "no candidate is scored again"
    assert (out / "table.jsonl").read_bytes() == (finished / "table.jsonl").read_bytes()
    check_same_end(out, finished)
