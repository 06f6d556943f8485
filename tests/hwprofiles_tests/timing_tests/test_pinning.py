from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from hwprofiles import pinned
from hwprofiles.timing.pinning import idle_ticks


class FakeSystem:
    """What the system would have been told, and what it answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cores: set[int], proc: Path) -> None:
        self.mask, self.proc = set(cores), proc
        self.idle = dict.fromkeys(cores, 100)
        self.slept: list[float] = []
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(self.mask), raising=False)
        monkeypatch.setattr(os, "sched_setaffinity", self.set, raising=False)
        self.write()

    def set(self, _: int, cores: Iterable[int]) -> None:
        self.mask = set(cores)

    def write(self) -> None:
        rows = [f"cpu{core} 1 2 3 {idle} 0 0 0 0 0 0" for core, idle in self.idle.items()]
        (self.proc / "stat").write_text("cpu 9 9 9 9 9 9 9 9\n" + "\n".join(rows) + "\nintr 5\n")

    def sleeping(self, gains: dict[int, int]) -> Callable[[float], None]:
        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.idle = {core: idle + gains.get(core, 0) for core, idle in self.idle.items()}
            self.write()

        return sleep


def test_the_quietest_cores_are_held_and_let_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = FakeSystem(monkeypatch, {0, 1, 2, 3}, tmp_path)
    with pinned(2, 0.3, sleep=system.sleeping({0: 30, 1: 2, 2: 29, 3: 5}), proc=tmp_path) as cores:
        assert cores == (0, 2)
        assert system.mask == {0, 2}
    assert system.mask == {0, 1, 2, 3}
    assert system.slept == [0.3]


def test_cores_are_let_go_after_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = FakeSystem(monkeypatch, {0, 1}, tmp_path)
    with pytest.raises(KeyError, match="1"), pinned(1, sleep=system.sleeping({}), proc=tmp_path):
        raise KeyError(*system.mask)
    assert system.mask == {0, 1}


@pytest.mark.parametrize("threads", [2, 3])
def test_no_core_is_taken_where_none_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, threads: int) -> None:
    system = FakeSystem(monkeypatch, {0, 1}, tmp_path)
    with pinned(threads, sleep=system.sleeping({}), proc=tmp_path) as cores:
        assert cores is None
        assert system.mask == {0, 1}
    assert system.slept == []


def test_a_pin_of_somebody_else_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = FakeSystem(monkeypatch, {1}, tmp_path)
    with pinned(1, sleep=system.sleeping({}), proc=tmp_path) as cores:
        assert cores == (1,)


def test_a_system_that_forbids_it_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = FakeSystem(monkeypatch, {0, 1}, tmp_path)

    def refuse(_: int, cores: Iterable[int]) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    with pinned(1, sleep=system.sleeping({}), proc=tmp_path) as cores:
        assert cores is None
    monkeypatch.delattr(os, "sched_getaffinity")
    with pinned(1, sleep=system.sleeping({}), proc=tmp_path) as cores:
        assert cores is None


def test_idle_ticks_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    assert idle_ticks(tmp_path) == {}
