"""A disk that is full: one clear sentence, the status 3, nothing half-written; with room, the same command goes on."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from search.errors import BundleError, is_disk_full

from ..latency_tables_tests.journal_tests.test_merge import base, journal, record
from .conftest import Answer, Lathe
from .project import write_config

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FillingDisk:
    """Has no room from the n-th write on: each write ends in a sync, and journals also write by their handle."""

    def __init__(self, at: int) -> None:
        self.at, self.writes = at, 0
        self.sync, self.put = os.fsync, os.write

    def _count(self) -> None:
        self.writes += 1
        if self.writes > self.at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fsync(self, handle: int) -> None:
        self._count()
        self.sync(handle)

    def write(self, handle: int, data: bytes) -> int:
        if handle > 2:
            self._count()
        return self.put(handle, data)


@contextmanager
def filling(at: int) -> Iterator[FillingDisk]:
    disk = FillingDisk(at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", disk.fsync)
        patch.setattr(os, "write", disk.write)
        yield disk


def check_full(answer: Answer, what: object) -> None:
    assert answer.status == 3, (what, answer.err)
    assert answer.out == "", what
    assert "Traceback" not in answer.err, (what, answer.err)
    assert answer.err.count("error:") == 1, (what, answer.err)
    assert "full" in answer.err or "No space left on device" in answer.err, (what, answer.err)


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith((".part", ".unfinished", ".old"))]


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    journal(tmp_path / "a.jsonl", base(), record("z", 0.7, 2))
    journal(tmp_path / "b.jsonl", base(), record("y", 0.5, 3))
    return tmp_path


SMALL: dict[str, tuple[str, ...]] = {
    "init": ("init", "net.toml"),
    "merge": ("table", "merge", "a.jsonl", "b.jsonl", "--out", "c.jsonl"),
    "csv": ("table", "csv", "a.jsonl", "--allow-foreign", "--out", "out.csv"),
    "parquet": ("table", "csv", "a.jsonl", "--allow-foreign", "--out", "out.parquet"),
}


@pytest.mark.parametrize("name", SMALL)
def test_each_write_of_a_small_command(lathe: Lathe, tables: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tables)
    before = sorted(os.listdir())
    for at in range(10):
        with filling(at) as disk:
            answer = lathe(*SMALL[name])
        if disk.writes <= at:
            break
        check_full(answer, (name, at))
        # The last sync is that of the folder: by then the file is whole, and has its name.
        left = [entry for entry in os.listdir() if entry not in before]
        assert unfinished(tables) == []
        for entry in left:
            os.unlink(entry)
    assert at > 0, "nothing was written"
    assert answer.status == 0, answer.err


def test_each_write_of_the_pages(lathe: Lathe, finished: Path) -> None:
    pages = {name: (finished / "run/bundle" / name).read_bytes() for name in ("report.html", "report.md")}
    for at in range(10):
        with filling(at) as disk:
            answer = lathe("report", finished / "run")
        if disk.writes <= at:
            break
        check_full(answer, at)
        assert unfinished(finished) == []
        assert all((finished / "run/bundle" / name).read_bytes() == page for name, page in pages.items())
    assert at > 1
    assert answer.status == 0


@pytest.mark.slow
def test_each_kind_of_write_of_a_run(lathe: Lathe, project: Path) -> None:
    with filling(10**9) as disk:
        answer = lathe("run", project / "net.toml")
    assert answer.status == 0, answer.err
    total = disk.writes
    assert total > 30
    # A run is some hundred writes. Each time it goes on where it was stopped, so that it stops at another one.
    shutil.rmtree(project / "run")
    stops = 0
    for at in (0, 1, 2, 4, 8, 16, 24, 32, total):
        with filling(at) as disk:
            answer = lathe("run", project / "net.toml")
        if answer.status == 0:
            break
        check_full(answer, (stops, at))
        assert unfinished(project) == []
        stops += 1
    assert answer.status == 0, answer.err
    assert stops > 4
    assert (project / "run/bundle/report.html").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk, or change its size."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root mounts a disk")
    place = tmp_path / "disk"
    place.mkdir()

    def sized(size: str) -> Path:
        options = f"size={size}" + (",remount" if os.path.ismount(place) else "")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"a disk cannot be mounted here: {done.stderr.decode()}")
        return place

    yield sized
    if os.path.ismount(place):
        subprocess.run(["umount", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.mark.slow
def test_a_run_on_a_disk_that_grows(lathe: Lathe, project: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("4k")
    write_config(project, ('out = "run"', f'out = "{disk}/run"'))
    refused = 0
    for kilobytes in (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 65536):
        small_disk(f"{kilobytes}k")
        answer = lathe("run", project / "net.toml")
        if answer.status == 0:
            break
        check_full(answer, kilobytes)
        assert unfinished(disk) == []
        refused += 1
    assert answer.status == 0, answer.err
    assert refused > 2


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_small_command_on_a_small_disk(
    lathe: Lathe, tables: Path, small_disk: Callable[[str], Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = small_disk("64k")
    for table in ("a.jsonl", "b.jsonl"):
        shutil.copy(tables / table, disk)
    fill(disk / "filling")
    monkeypatch.chdir(disk)
    before = sorted(os.listdir())
    check_full(lathe(*SMALL[name]), name)
    assert sorted(os.listdir()) == before
    (disk / "filling").unlink()
    assert lathe(*SMALL[name]).status == 0


def test_libraries_say_it_in_words_and_lathe_may_speak_of_it() -> None:
    assert is_disk_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert is_disk_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))
    assert not is_disk_full(BundleError("The file says: No space left on device"))
    wrapped = BundleError("It cannot be written.")
    wrapped.__cause__ = FULL
    assert is_disk_full(wrapped)


def test_init_where_it_cannot_write(lathe: Lathe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = lathe("init", tmp_path / "none" / "net.toml")
    assert missing.status == 2
    assert "must be writable" in missing.words
    (tmp_path / "link.toml").symlink_to(tmp_path / "elsewhere.toml")
    over = lathe("init", tmp_path / "link.toml")
    assert over.status == 2
    assert "never overwritten" in over.words
    assert not (tmp_path / "elsewhere.toml").exists()
    (tmp_path / "folder").mkdir()
    assert lathe("init", tmp_path / "folder").status == 2
    long = lathe("init", tmp_path / ("n" * 300))
    assert (long.status, "File name too long" in long.words) == (2, True)
    assert sorted(os.listdir(tmp_path)) == ["folder", "link.toml"]
