"""A signal ends a command at any moment: one line, the status 128 + its number, and no process that lives on."""

from __future__ import annotations

import os
import random
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from search.stopping import TOLD, Stopped, end_at_once, unwinding

SEED = 20261127
ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0
ENDS_S = 60.0

MARK = "LATHE_TEST_MARK"


def delays(count: int, longest_s: float, seed: int) -> list[float]:
    """Return random moments, one in each part of equal length."""
    rng = random.Random(seed)
    return [longest_s * (part + rng.random()) / count for part in range(count)]


@contextmanager
def started(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a command, wait until it answers signals, and give it with the mark of all its processes."""
    mark = secrets.token_hex(16)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", MARK: mark}
    command = [sys.executable, "-m", "search", *map(str, arguments)]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_as_in_the_foreground,
    ) as child:
        try:
            end = time.monotonic() + READY_S
            while not answers(child.pid):
                assert child.poll() is None, "it ended before it could be stopped"
                assert time.monotonic() < end, "it never came to answer signals"
                time.sleep(0.001)
            yield child, mark
        finally:
            for number in marked(mark):
                os.kill(number, signal.SIGKILL)


def _as_in_the_foreground() -> None:
    # A shell lets its jobs in the background ignore Ctrl-C, `nohup` the end of the terminal, and these tests may be
    # such a job.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def answers(process: int) -> bool:
    """Tell whether a process has a handler for SIGTERM."""
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{process}/status").read_text())
    assert caught is not None
    return bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def marked(mark: str) -> list[int]:
    """Return the processes that live and carry a mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def check_stopped(number: signal.Signals, after_s: float, *arguments: object) -> None:
    """Send a signal some time after a command came to answer it, and check how that ends."""
    with started(*arguments) as (child, mark):
        time.sleep(after_s)
        assert child.poll() is None, "the command was over before it could be stopped"
        child.send_signal(number)
        out, err = child.communicate(timeout=ENDS_S)
        told = (number.name, after_s, err)
        assert child.returncode == 128 + number, told
        assert out == "", told
        assert "Traceback" not in err, told
        assert "Exception ignored" not in err, told
        assert err.splitlines()[-1] == TOLD, told
        assert err.count("Stopped") == 1, told
        # What is sent a signal by the kernel needs a moment.
        end = time.monotonic() + 10
        while marked(mark) and time.monotonic() < end:
            time.sleep(0.01)
        assert marked(mark) == [], told


@pytest.mark.parametrize("after_s", [0.0, 0.3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_imports(number: signal.Signals, after_s: float) -> None:
    check_stopped(number, after_s, "targets")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after_s", delays(5, 25.0, SEED))
def test_a_signal_during_a_demo(number: signal.Signals, after_s: float, tmp_path: Path) -> None:
    check_stopped(number, after_s, "demo", "--out", tmp_path / "demo")
    left = [path for path in (tmp_path / "demo").rglob("*") if path.name.endswith((".part", ".unfinished"))]
    assert left == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after_s", delays(5, 20.0, SEED + 1))
def test_a_signal_during_a_profile(number: signal.Signals, after_s: float, project: Path) -> None:
    words = ("--input", "3,8,8", "--target", "cpu-onnxruntime-fp32-b1-t1", "--time-limit", "5 min")
    check_stopped(number, after_s, "profile", f"{project / 'net.py'}:make_net", *words, "--out", project / "out")


def test_a_signal_that_the_parent_ignores_stays_ignored() -> None:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = signal.getsignal(signal.SIGHUP)
    try:
        _as_in_the_foreground()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        end_at_once()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is not kept[signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)
        for number, handler in kept.items():
            signal.signal(number, handler)


@pytest.fixture
def handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    _as_in_the_foreground()
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_what_a_finaliser_swallows_comes_again() -> None:
    class Finalised:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)
            threading.Event().wait(0.01)

    def run() -> None:
        with unwinding():
            found = Finalised()
            del found
            threading.Event().wait(10)

    with pytest.raises(Stopped) as caught:
        run()
    assert caught.value.status == 143


@pytest.mark.usefixtures("handlers")
def test_cleaning_up_is_not_skipped() -> None:
    done = []

    def run() -> None:
        with unwinding():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                done.append("cleaned")

    with pytest.raises(Stopped):
        run()
    assert done == ["cleaned"]


def test_a_second_signal_does_not_wait_for_the_first() -> None:
    code = (
        "import signal, time\nfrom search import stopping\nstopping.end_at_once()\n"
        "with stopping.unwinding():\n    try:\n        signal.raise_signal(15)\n"
        "    finally:\n        signal.raise_signal(2)\n        time.sleep(60)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        preexec_fn=_as_in_the_foreground,
    )
    assert (done.returncode, done.stderr) == (130, f"{TOLD}\n")
