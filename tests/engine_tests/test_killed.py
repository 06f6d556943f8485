"""A killed and continued study is the undisturbed one.

The journal is only ever appended to, so what a kill leaves is the journal cut off at some byte: every such cut can be
tried without a kill. The real kills show that this reasoning holds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from search.study import StudyResult

from .worker import work

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyResult, bytes]:
    path = tmp_path_factory.mktemp("undisturbed") / "journal.jsonl"
    return work(path), path.read_bytes()


@pytest.mark.parametrize("seed", range(6))
def test_a_journal_cut_off_anywhere_continues_to_the_same_end(
    tmp_path: Path, undisturbed: tuple[StudyResult, bytes], seed: int
) -> None:
    result, journal = undisturbed
    ends = [index + 1 for index, byte in enumerate(journal) if byte == ord("\n")]
    rng = np.random.default_rng(seed)
    for cut in (int(rng.integers(len(journal))), int(rng.choice(ends)), int(rng.choice(ends)) - 1):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(journal[:cut])
        assert work(path) == result


def test_a_journal_cut_off_again_and_again_continues_to_the_same_end(
    tmp_path: Path, undisturbed: tuple[StudyResult, bytes]
) -> None:
    path = tmp_path / "journal.jsonl"
    rng = np.random.default_rng(7)
    for _ in range(5):
        before = path.stat().st_size if path.exists() else 0
        assert work(path) == undisturbed[0]
        grown = path.read_bytes()
        path.write_bytes(grown[: before + int(rng.integers(max(1, (len(grown) - before) // 2)))])
    assert work(path) == undisturbed[0]


def kill_at(path: Path, size: int) -> bool:
    """Start a worker, kill it once its journal has this size, and say whether it was still running."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-m", "tests.engine_tests.worker", str(path)], env=environment) as worker:
        while worker.poll() is None:
            if path.exists() and path.stat().st_size >= size:
                worker.send_signal(signal.SIGKILL)
                break
            time.sleep(0.0005)
    return worker.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(tmp_path: Path, undisturbed: tuple[StudyResult, bytes]) -> None:
    result, journal = undisturbed
    rng = np.random.default_rng(2026)
    killed = 0
    for index, size in enumerate(rng.integers(1, len(journal) * 9 // 10, size=10)):
        path = tmp_path / f"{index}.jsonl"
        killed += kill_at(path, int(size))
        assert work(path) == result
    assert killed >= 8


@pytest.mark.slow
def test_one_study_killed_many_times_changes_nothing(tmp_path: Path, undisturbed: tuple[StudyResult, bytes]) -> None:
    result, journal = undisturbed
    path = tmp_path / "journal.jsonl"
    kills = sum(kill_at(path, len(journal) * step // 8) for step in range(1, 8))
    assert kills >= 5
    assert work(path) == result
