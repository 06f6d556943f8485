"""Threads follow the cores that others leave free."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import LoadMeter
from search.engine.sharing import Sharing
from search.finetune import FreeThreads, free_thread_count
from search.finetune.threads import EVERY_S, free_threads
from search.progress import Silent


class Others(LoadMeter):
    """Others use what the test says."""

    def __init__(self) -> None:
        self.cores: float | None = 0.0
        self.looks, self.seconds = 0, 10.0

    @property
    def age_s(self) -> float:
        return self.seconds

    def look(self) -> float | None:
        self.looks += 1
        return self.cores


@pytest.fixture
def threads() -> Iterator[list[int]]:
    """What torch's threads were set to."""
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "set_num_threads", seen.append)
        yield seen


@given(others=st.floats(0, 64), most=st.integers(1, 64))
def test_there_is_always_one_and_never_too_many(others: float, most: int) -> None:
    count = free_threads(others, most)
    assert 1 <= count <= most
    assert count == 1 or count <= most - others + 0.5
    assert free_threads(0.0, most) == most


def test_threads_give_way_and_come_back(threads: list[int]) -> None:
    others, told = Others(), list[str]()
    free = FreeThreads(others, 2, told.append)
    free.adapt()
    assert (threads, told) == ([], []), "nothing changes on a free machine"
    others.cores = 0.9
    free.adapt()
    free.adapt()
    assert threads == [1]
    assert told == ["Other work keeps 0.9 of 2 cores busy: PyTorch computes with 1 thread for now."]
    others.cores = 0.1
    free.adapt()
    assert threads == [1, 2]


def test_looks_are_some_time_apart(threads: list[int]) -> None:
    others = Others()
    others.seconds = EVERY_S / 2
    FreeThreads(others, 2, lambda text: None).adapt()
    assert others.looks == 0


def test_what_is_not_known_changes_nothing(threads: list[int]) -> None:
    others = Others()
    others.cores = None
    FreeThreads(others, 2, lambda text: None).adapt()
    assert threads == []


def test_a_number_that_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with free_thread_count(lambda text: None) as free:
        assert free._most == 1, "nothing to choose"


def test_the_number_of_before_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    with free_thread_count(lambda text: None):
        torch.set_num_threads(before + 1)
    assert torch.get_num_threads() == before


def test_threads_are_left_alone_while_something_is_timed(threads: list[int]) -> None:
    """A session on PyTorch has its target's number of threads for the whole process."""
    others = Others()
    others.cores = 1.0
    progress = Sharing(Silent(), FreeThreads(others, 2, lambda text: None))
    for stage in ("table", "finalist", "accuracy", "verify", "sweep"):
        progress.stage(stage)
        progress.step(1, 2)
    assert (threads, others.looks) == ([], 0)
    progress.stage("finetune")
    assert threads == [1]
