"""Files are written whole or not at all, and what a stranger put in their place is refused."""

from __future__ import annotations

import errno
import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hwprofiles import (
    UnfitFileError,
    check_plain,
    clear_unfinished,
    open_journal,
    read_rest,
    read_whole,
    write_whole,
    writing_whole,
)
from hwprofiles.files import whole
from tests.limits import within


def put_link(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"the user's own")
    path.symlink_to(path.with_name("elsewhere"))


def put_dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def put_zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def put_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("Only root makes devices.")


def put_socket(path: Path) -> None:
    # The name of a socket is short.
    with socket.socket(socket.AF_UNIX) as one, at(path.parent):
        one.bind(path.name)


@contextmanager
def at(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (put_link, "a link"),
    "dangling": (put_dangling, "a link"),
    "zero": (put_zero, "a link"),
    "pipe": (os.mkfifo, "a pipe"),
    "folder": (Path.mkdir, "a folder"),
    "socket": (put_socket, "a socket"),
    "device": (put_device, "a device"),
}
KINDS = pytest.mark.parametrize("kind", ODD)


@KINDS
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path, (put, word) = tmp_path / "report.json", ODD[kind]
    put(path)
    with within(5), pytest.raises(UnfitFileError, match=word) as caught:
        read_whole(path, 100)
    assert caught.value.path == path


@KINDS
def test_what_is_no_file_is_not_appended_to(tmp_path: Path, kind: str) -> None:
    path, (put, word) = tmp_path / "table.jsonl", ODD[kind]
    put(path)
    with within(5), pytest.raises(UnfitFileError, match=word):
        open_journal(path)
    assert not (tmp_path / "nowhere").exists()


@KINDS
def test_what_took_a_files_place_after_the_look_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path, (put, word) = tmp_path / "report.json", ODD[kind]
    put(path)
    monkeypatch.setattr(whole, "check_plain", lambda *_, **__: None)
    with within(5), pytest.raises(UnfitFileError, match=word):
        read_whole(path, 100)
    if kind != "folder":
        with within(5), pytest.raises(UnfitFileError, match=word):
            open_journal(path)
    assert not (tmp_path / "nowhere").exists()


@KINDS
def test_what_is_no_file_is_replaced_not_written_to(tmp_path: Path, kind: str) -> None:
    path, (put, _) = tmp_path / "report.md", ODD[kind]
    put(path)
    if kind == "folder":
        with pytest.raises(IsADirectoryError):
            write_whole(path, b"new")
        assert list(tmp_path.iterdir()) == [path]
        return
    with within(5):
        write_whole(path, b"new")
    assert stat.S_ISREG(path.lstat().st_mode)
    assert path.read_bytes() == b"new"
    if kind == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b"the user's own"


@KINDS
def test_a_folder_is_searched_for_what_is_no_file(tmp_path: Path, kind: str) -> None:
    put, word = ODD[kind]
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "report.json").write_bytes(b"{}")
    check_plain(tmp_path, tmp_path / "missing")
    put(tmp_path / "deep" / "er" / "odd")
    if kind == "folder":
        check_plain(tmp_path)
        return
    with within(5), pytest.raises(UnfitFileError, match=f"odd is {word}"):
        check_plain(tmp_path)


def test_a_name_that_a_stranger_guessed_is_not_written_through(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"the user's own")
    for name in ("report.md.part", ".report.md.part", f".report.md.{os.getpid()}.part", "report.md.unfinished"):
        (tmp_path / name).symlink_to(mine)
    write_whole(tmp_path / "report.md", b"new")
    assert mine.read_bytes() == b"the user's own"
    assert (tmp_path / "report.md").read_bytes() == b"new"


def test_a_folder_that_is_a_link_is_the_users_own_affair(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "out" / "file", b"new")
    assert read_whole(tmp_path / "out" / "file", 3) == (tmp_path / "real" / "file").read_bytes() == b"new"
    os.close(open_journal(tmp_path / "out" / "journal"))


@pytest.mark.parametrize("size", [101, 2**40])
def test_the_size_is_looked_at_before_the_file_is_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(size)
    with within(5), pytest.raises(UnfitFileError, match=f"up to 100 bytes, .* has {size:,} or more"):
        read_whole(path, 100)
    handle = open_journal(path)
    with within(5), pytest.raises(UnfitFileError, match="up to 100 bytes"):
        read_rest(handle, path, 100)
    os.close(handle)


def test_a_file_whose_size_is_not_told_is_read_so_far_and_no_further() -> None:
    # Files that the system makes up say that they are empty.
    with pytest.raises(UnfitFileError, match="has 11 or more"):
        read_whole("/proc/self/status", 10)


def test_a_file_as_large_as_allowed_is_read(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", bytes(100))
    assert read_whole(tmp_path / "file", 100) == bytes(100)
    with pytest.raises(FileNotFoundError):
        read_whole(tmp_path / "none", 100)


def test_a_journal_is_made_read_and_appended_to(tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        handle = open_journal(tmp_path / "journal")
        os.write(handle, line)
        os.lseek(handle, 0, os.SEEK_SET)
        held = read_rest(handle, tmp_path / "journal", 100)
        os.close(handle)
    assert held == b"one\ntwo\n"


@pytest.mark.parametrize("fails", ["write", "sync", "rename", "kill"])
def test_what_is_half_written_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    write_whole(tmp_path / "file", b"old")
    error = KeyboardInterrupt() if fails == "kill" else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(*_: object, **__: object) -> None:
        raise error

    if fails == "sync":
        monkeypatch.setattr(os, "fsync", refuse)
    if fails == "rename":
        monkeypatch.setattr(os, "replace", refuse)

    def halfway() -> None:
        if fails in ("write", "kill"):
            refuse()

    with pytest.raises(type(error)), writing_whole(tmp_path / "file") as file:  # noqa: PT012
        file.write(b"half")
        halfway()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_disk_that_fills_up_while_a_file_is_written_keeps_the_old_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_whole(tmp_path / "file", bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_file_that_must_be_new_never_takes_the_place_of_another(tmp_path: Path) -> None:
    with writing_whole(tmp_path / "file", replace=False) as file:
        file.write(b"first")
    with pytest.raises(FileExistsError) as caught, writing_whole(tmp_path / "file", replace=False) as file:
        file.write(b"second")
    assert str(tmp_path / "file") in str(caught.value)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"first"]


def test_errors_name_the_file_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "nowhere" / "file", b"")
    assert caught.value.filename == str(tmp_path / "nowhere" / "file")


def test_what_a_killed_process_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from hwprofiles import writing_whole\n"
        "with writing_whole(sys.argv[1]) as file: os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], check=False)
    others = [tmp_path / "mine.part", tmp_path / ".lathe-notes.part", tmp_path / f".lathe-{'0' * 16}.part" / "x"]
    for other in others:
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(b"the user's own")
    assert len(list(tmp_path.iterdir())) == 4
    clear_unfinished(tmp_path, tmp_path / "missing")
    assert len(list(tmp_path.iterdir())) == 3
    assert all(other.exists() for other in others)


@pytest.mark.parametrize("made", ["link", "folder", "nothing"])
def test_what_is_made_by_name_is_a_file(tmp_path: Path, made: str) -> None:
    def make(path: Path) -> None:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        if made == "link":
            path.symlink_to("/etc/passwd")
        elif made == "folder":
            path.mkdir()

    with pytest.raises((UnfitFileError, FileNotFoundError)):
        whole.make_whole(tmp_path / "compiled", make)
    assert list(tmp_path.iterdir()) == []
    whole.make_whole(tmp_path / "compiled", Path.touch)
    assert (tmp_path / "compiled").is_file()
