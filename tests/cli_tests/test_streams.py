"""Standard output may be closed, full, or a pipe that nobody reads: no traceback, and a status that says so."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from search import streams

from .conftest import Lathe

ROOT = Path(__file__).resolve().parents[2]

# One process that answers takes seconds to start, so a few stand for all; what prints is the same in each.
COMMANDS = {
    "help": ("--help",),
    "targets": ("targets",),
    "targets as JSON": ("targets", "--json"),
}


def started(arguments: tuple[str, ...], **streams: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "search", *arguments], env=environment, **streams)  # type: ignore[call-overload, no-any-return]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_that_nobody_reads(name: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with started(COMMANDS[name], stdout=writing, stderr=subprocess.PIPE) as child:
        os.close(writing)
        _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (141, b"")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_disk_that_is_full(name: str) -> None:
    with open("/dev/full", "wb") as full, started(COMMANDS[name], stdout=full, stderr=subprocess.PIPE) as child:
        _, err = child.communicate(timeout=60)
    assert child.returncode == 3
    assert err.decode().count("\n") == 1
    assert err.startswith(b"error: What a command says must be written to standard output, but that failed (No space")


@pytest.mark.slow
def test_no_standard_output_at_all() -> None:
    command = f"{sys.executable} -m search targets >&-"
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert done.returncode == 3
    assert b"but that is closed" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_no_standard_error_at_all() -> None:
    command = f"{sys.executable} -m search targets --json 2>&-"
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["targets"]


def guarded(number: int, handle: int, monkeypatch: pytest.MonkeyPatch) -> io.TextIOWrapper:
    raw = streams._Guarded(handle, "w", closefd=False)
    monkeypatch.setattr(raw, "fileno", lambda: number)
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace")


def test_a_reader_that_has_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """`lathe table csv ... | head -1`: far more comes than a pipe holds, and the reader leaves in the middle."""
    reading, writing = os.pipe()
    stream = guarded(1, writing, monkeypatch)
    stream.write("first\n")
    stream.flush()
    assert os.read(reading, 6) == b"first\n"
    os.close(reading)
    with pytest.raises(streams.Unwritten) as caught:
        stream.write("x" * 10**6)
    assert (caught.value.status, caught.value.is_worth_telling) == (141, False)
    stream.write("what comes at the end of the process")
    stream.flush()
    os.close(writing)


def test_what_no_encoding_holds_is_written_in_escapes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        stream = guarded(1, file.fileno(), monkeypatch)
        stream.write("a\udcff.toml")
        stream.flush()
    assert (tmp_path / "out").read_bytes() == b"a\\udcff.toml"


@pytest.mark.parametrize("command", ["targets", "init"])
def test_unwritten_passes_by_what_handles_failures(
    lathe: Lathe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise streams.Unwritten(1, BrokenPipeError(32, "Broken pipe"))

    monkeypatch.setattr("search.commands.targets.available_targets", fail)
    monkeypatch.setattr("search.commands.init.config_template", fail)
    with pytest.raises(streams.Unwritten):
        lathe(command, *([tmp_path / "net.toml"] if command == "init" else []))
    assert list(tmp_path.iterdir()) == []
