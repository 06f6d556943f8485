"""Whatever a file holds, its reader gives a value or an error that a person can act on, soon, and touches nothing else.

A failure names the reader, the seed and the case: `spoilt(good, seed, case)` is its file.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from hwprofiles import LatheError

from .mutations import spoil
from .readers import READERS, Reader

SEED = 20261127
FEW, MANY = 20, 1000

LIMIT_S = 2.0
"""Seconds of the processor for one case."""

LIMIT_BYTES = 200 * 2**20
"""Memory that one case may take beyond what the process has."""


class TooSlow(BaseException):
    """A case took too long. Nothing that handles errors may catch it."""


@contextmanager
def limited() -> Iterator[None]:
    """Fail where a block takes more time of the processor, or more memory, than a case may."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, ring)
    had = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    # What would take far more must not take the machine along.
    resource.setrlimit(resource.RLIMIT_AS, (memory("VmSize") + 8 * LIMIT_BYTES, hard))
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    taken = memory("VmHWM") - had
    assert taken < LIMIT_BYTES, f"it took {taken / 2**20:.0f} MiB"


def memory(name: str) -> int:
    """Return a figure of the kernel's about this process's memory, in bytes."""
    found = re.search(rf"{name}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def spoilt(good: bytes, seed: int, case: int) -> bytes:
    return spoil(good, random.Random(f"{seed} {case}"))


def check(reader: Reader, good: Path, case: Path, content: bytes) -> None:
    """Read one spoilt file in a copy of the good folder."""
    if case.exists():
        shutil.rmtree(case)
    shutil.copytree(good, case)
    (case / reader.file).write_bytes(content)
    errors: tuple[type[Exception], ...] = (LatheError, *reader.misuse)
    try:
        with limited():
            reader.read(case / reader.file)
    except errors as exc:
        told = str(exc)
    else:
        return
    assert len(told) < 5000, "a message is read by a person"
    assert len(told.split()) > 4, "a message states the rule, the value and the remedy"
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", told), "a terminal must not be sent what stands in a file"


def fuzz(name: str, cases: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, good = READERS[name], tmp_path / "good"
    folder = tmp_path / "outside" / "case"
    good.mkdir()
    folder.parent.mkdir()
    monkeypatch.chdir(folder.parent)
    # Waiting for the disk is most of what a case would take.
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    reader.make(good)
    content = (good / reader.file).read_bytes()
    check(reader, good, folder, content)
    for case in range(cases):
        try:
            check(reader, good, folder, spoilt(content, SEED, case))
            assert os.listdir(folder.parent) == ["case"], "it wrote outside its folder"
            assert sorted(os.listdir(tmp_path)) == ["good", "outside"], "it wrote outside its folder"
        except (Exception, TooSlow) as exc:
            pytest.fail(f"{name}: seed {SEED}, case {case}: {type(exc).__name__}: {exc}"[:2000])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("default")
def test_a_few_spoilt_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz(name, FEW, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("default")
def test_many_spoilt_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz(name, MANY, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("default")
def test_empty_huge_and_absent_files(name: str, tmp_path: Path) -> None:
    reader, good = READERS[name], tmp_path / "good"
    good.mkdir()
    reader.make(good)
    for content in (b"", b"\0" * 4096, b"\xff" * 4096, b"{}", b"[]", b"null", b"0", b'""', b"\n\n"):
        check(reader, good, tmp_path / "case", content)
    os.truncate(good / reader.file, 10**12)
    with limited(), contextlib.suppress(LatheError, *reader.misuse):
        reader.read(good / reader.file)


def test_cases_repeat_and_differ() -> None:
    good = b'{"a": [1, 2, 3], "b": "text"}'
    assert [spoilt(good, 1, case) for case in range(50)] == [spoilt(good, 1, case) for case in range(50)]
    assert len({spoilt(good, 1, case) for case in range(50)}) > 40
    assert spoilt(good, 2, 0) != spoilt(good, 1, 0)


def test_limits_hold() -> None:
    def spin() -> None:
        with limited():
            while True:
                pass

    def fill() -> None:
        with limited():
            bytearray(LIMIT_BYTES + 2**20)

    with pytest.raises(TooSlow):
        spin()
    with pytest.raises(AssertionError, match="it took"):
        fill()
