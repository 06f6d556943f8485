"""Compiled files are made once for what they are made of, and appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwprofiles.runtimes.kept import cache_folder, kept


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
