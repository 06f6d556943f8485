"""Compiled files are made once for what they are made of, and appear whole or not at all."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hwprofiles import UnfitFileError
from hwprofiles.runtimes.kept import cache_folder, kept, own_folder


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LATHE_CACHE", str(tmp_path))
    return tmp_path


class Maker:
    """Writes how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, path: Path) -> None:
        self.times += 1
        path.write_text(str(self.times))


def test_the_same_content_and_conditions_are_compiled_once() -> None:
    maker = Maker()
    first = kept("kind", b"program", {"threads": 1, "torch": "2.13"}, maker)
    assert kept("kind", b"program", {"torch": "2.13", "threads": 1}, maker) == first
    assert maker.times == 1
    assert first.read_text() == "1"


@pytest.mark.parametrize(
    ("kind", "content", "threads"), [("other", b"program", 1), ("kind", b"programme", 1), ("kind", b"program", 2)]
)
def test_another_kind_content_or_condition_is_another_file(kind: str, content: bytes, threads: int) -> None:
    maker = Maker()
    first = kept("kind", b"program", {"threads": 1}, maker)
    assert kept(kind, content, {"threads": threads}, maker) != first
    assert maker.times == 2


def test_what_fails_leaves_nothing_and_is_tried_again(folder: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept("kind", b"program", {}, fail)
    assert list((folder / "kind").iterdir()) == []
    assert kept("kind", b"program", {}, Maker()).read_text() == "1"


def test_the_folder_is_the_users_cache_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATHE_CACHE", "/some/where")
    assert cache_folder() == Path("/some/where")
    monkeypatch.delenv("LATHE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/lathe")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "lathe"


def aged(path: Path, days: float) -> Path:
    moment = time.time() - days * 24 * 3600
    os.utime(path, (moment, moment))
    return path


def sized(size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(bytes(size))

    return make


def test_files_used_longest_ago_make_room_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    old = {days: aged(kept("kind", bytes([days]), {}, sized(100)), days) for days in (5, 3, 9, 7)}
    monkeypatch.setattr("hwprofiles.runtimes.kept.MOST_BYTES", 250)
    elsewhere = aged(kept("other", b"", {}, sized(1000)), 20)
    kept("kind", bytes([3]), {}, sized(100))
    aged(old[3], 0.5)
    new = kept("kind", b"new", {}, sized(100))
    assert [days for days, path in old.items() if path.exists()] == [5, 3]
    assert new.exists()
    assert elsewhere.exists(), "each kind has room of its own"


def test_what_was_used_within_a_day_stays_however_much_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwprofiles.runtimes.kept.MOST_BYTES", 1)
    paths = [kept("kind", bytes([i]), {}, sized(100)) for i in range(4)]
    assert all(path.exists() for path in paths)


def test_what_a_killed_process_left_goes_after_a_day(folder: Path) -> None:
    parts = [folder / "kind" / f".part-{name}" for name in ("dead", "alive")]
    own_folder("kind")
    for part in parts:
        part.mkdir()
        (part / "half.pt2").write_text("half")
    aged(parts[0], 2)
    kept("kind", b"program", {}, Maker())
    assert [part.exists() for part in parts] == [False, True]


def test_only_the_user_can_enter_the_folder(folder: Path) -> None:
    before = os.umask(0)
    try:
        path = kept("kind", b"program", {}, Maker())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.parent.chmod(0o755)
    assert kept("kind", b"program", {}, Maker()) == path
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(folder: Path, mode: int) -> None:
    path = kept("kind", b"program", {}, Maker())
    path.parent.chmod(mode)
    with pytest.raises(UnfitFileError, match=r"others may write to it.*LATHE_CACHE"):
        kept("kind", b"program", {}, Maker())


def test_a_folder_that_is_a_link_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = kept("kind", b"program", {}, Maker())
    theirs = tmp_path_factory.mktemp("theirs")
    path.rename(theirs / path.name)
    path.parent.rmdir()
    path.parent.symlink_to(theirs)
    with pytest.raises(UnfitFileError, match="it is a link"):
        kept("kind", b"program", {}, Maker())


@pytest.mark.parametrize("odd", ["link", "pipe"])
def test_a_kept_file_that_is_no_file_is_refused(folder: Path, odd: str) -> None:
    path = kept("kind", b"program", {}, Maker())
    path.rename(folder / "code")
    path.symlink_to(folder / "code") if odd == "link" else os.mkfifo(path)
    with pytest.raises(UnfitFileError, match="it is a link, or no file"):
        kept("kind", b"program", {}, Maker())


@pytest.mark.parametrize("whose", ["folder", "file"])
def test_what_belongs_to_another_user_is_refused(whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept("kind", b"program", {}, Maker())
    own, status = os.geteuid(), Path.lstat

    def lstat(asked: Path) -> os.stat_result:
        found = list(status(asked))
        if asked == (path if whose == "file" else path.parent):
            found[stat.ST_UID] = own + 1
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(UnfitFileError, match="it belongs to another user"):
        kept("kind", b"program", {}, Maker())
