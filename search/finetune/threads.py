"""Compute with as many threads as cores are free.

PyTorch's threads wait for each other by spinning. Where another process has a core, all of them wait for the one that
shares it, at each operator: with two threads on two cores, one of them busy, a training took 10 to 25 times as long.
One thread fewer takes a little longer than on a free machine, and no more.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from hwprofiles import LoadMeter

EVERY_S = 2.0
"""Least time between two looks: in less, a short burst of others would look like work."""

MINE = 0.5
"""Share of a core that others must leave, for a thread of ours to be worth having on it."""


def free_threads(others: float, most: int) -> int:
    """Return how many threads to compute with.

    Args:
        others: Cores that other processes keep busy.
        most: Threads where all cores are free.
    """
    return max(1, min(most, math.floor(most - others + MINE)))


class FreeThreads:
    """Sets torch's threads to the cores that others leave free; made by `free_thread_count`.

    Args:
        meter: Sees what others use.
        most: Threads where all cores are free.
        tell: Told each change in a sentence.
    """

    def __init__(self, meter: LoadMeter, most: int, tell: Callable[[str], None]) -> None:
        self._meter, self._most, self._tell = meter, most, tell
        self._now = most

    def adapt(self) -> None:
        """Look what others use, if the last look was some time ago, and set the threads."""
        if self._most < 2 or self._meter.age_s < EVERY_S:
            return
        others = self._meter.look()
        count = self._most if others is None else free_threads(others, self._most)
        if count != self._now:
            self._now = count
            torch.set_num_threads(count)
            self._tell(
                f"Other work keeps {others or 0.0:.1f} of {self._most} cores busy: PyTorch computes with {count} "
                f"{'thread' if count == 1 else 'threads'} for now."
            )


@contextmanager
def free_thread_count(tell: Callable[[str], None]) -> Iterator[FreeThreads]:
    """Give what adapts torch's threads, and put their number back afterwards.

    A number that the user has set by OMP_NUM_THREADS is left alone.
    """
    before = torch.get_num_threads()
    try:
        yield FreeThreads(LoadMeter(), 1 if "OMP_NUM_THREADS" in os.environ else before, tell)
    finally:
        torch.set_num_threads(before)
