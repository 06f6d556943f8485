"""A build killed at any moment loses at most the comparison under way."""

import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import latency_tables
from latency_tables import LatencyTable, Predictor, Store, read_table
from latency_tables.build import TOGETHER

from .. import building
from ..chains import MACHINE, QUANTUM, keys, random_widths

ROOT = Path(latency_tables.__file__).parents[1]
N = 2 * TOGETHER + 2


def start(path: Path, halt: int = -1) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", building.__name__, str(path), str(N), str(halt)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def run_until(path: Path, halt: int) -> list[int]:
    """Run until job `halt` is under way, then kill -9; return the jobs that were started."""
    started = []
    with start(path, halt) as process:
        assert process.stdout is not None
        for line in process.stdout:
            started.append(int(line))
            if started[-1] == halt:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return started


def run_to_end(path: Path) -> list[int]:
    with start(path) as process:
        assert process.stdout is not None
        started = [int(line) for line in process.stdout]
    assert process.returncode == 0
    return started


def frame(table: LatencyTable) -> pd.DataFrame:
    return table.to_frame().drop(columns="date")


def test_killed_builds_go_on_where_they_stood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    undisturbed, killed = tmp_path / "undisturbed.jsonl", tmp_path / "killed.jsonl"
    building.main(str(undisturbed), N, halt=-1)
    assert capsys.readouterr().out.split() == [str(i) for i in range(N)]
    first = list(range(TOGETHER))
    assert run_until(killed, halt=TOGETHER + 1) == [*first, TOGETHER, TOGETHER + 1]
    assert len(Store(killed).read().records) == 1 + TOGETHER, "the baseline and one comparison are stored"
    # A kill inside a write leaves half a line.
    killed.write_bytes(killed.read_bytes()[:-100])
    again = list(range(TOGETHER - 1, 2 * TOGETHER))
    assert run_until(killed, halt=2 * TOGETHER) == [*again, 2 * TOGETHER]
    stored = [*first[:-1], *again[:TOGETHER]]
    assert len(Store(killed).read().records) == 1 + len(stored)
    assert run_to_end(killed) == [i for i in range(N) if i not in stored], "no stored job is measured again"

    records = Store(killed).read().records
    assert len({record.job for record in records}) == len(records) == 1 + N
    tables = [read_table(path, fingerprint=MACHINE) for path in (undisturbed, killed)]
    # The fake clock adds up seconds: a later start rounds differently in the last bits.
    pd.testing.assert_frame_equal(frame(tables[0]), frame(tables[1]), rtol=1e-9)
    one, two = (Predictor.fit(table, quantum=QUANTUM) for table in tables)
    for widths in random_widths(10, seed=8):
        a, b = one.estimate(keys(widths)), two.estimate(keys(widths))
        assert abs(a.seconds / b.seconds - 1) < 1e-6
        assert a.origin == b.origin


def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    run_until(path, halt=0)
    with Store(path).writing() as writer:
        assert len(writer.contents.records) == 1
