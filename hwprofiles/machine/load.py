"""How many cores other processes keep busy: what is left is what this one may compute with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

IDLE_COLUMNS = (4, 5)
"""Columns of a core's line in /proc/stat that count idle ticks: idle, and waiting for a disk."""

COUNTED = 8
"""Columns of ticks, from user to stolen; those of guests are counted in the first two already."""


class LoadMeter:
    """Tells what others used of the cores that this process may use, between two looks.

    Args:
        proc: Where the kernel's process file system is mounted.
        clock: Steady clock in seconds.
        own: Processor seconds of this process so far.
        tick_s: Seconds in one of the kernel's ticks.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        clock: Callable[[], float] = time.monotonic,
        own: Callable[[], float] = time.process_time,
        tick_s: float | None = None,
    ) -> None:
        self._proc, self._clock, self._own = proc, clock, own
        self._tick_s = 1 / os.sysconf("SC_CLK_TCK") if tick_s is None else tick_s
        self._before = self._moment()

    @property
    def age_s(self) -> float:
        """Seconds since the last look."""
        return self._clock() - self._before[0]

    def look(self) -> float | None:
        """Return how many cores others used in the mean since the last look; None where the system does not say.

        Time that a hypervisor gave to others counts as theirs.
        """
        before, after = self._before, self._moment()
        self._before = after
        if before[2] is None or after[2] is None or after[0] <= before[0]:
            return None
        busy_s = self._tick_s * (after[2] - before[2]) - (after[1] - before[1])
        return max(0.0, busy_s / (after[0] - before[0]))

    def _moment(self) -> tuple[float, float, int | None]:
        return self._clock(), self._own(), _busy_ticks(self._proc, allowed_cores())


def allowed_cores() -> frozenset[int] | None:
    """Return the cores that this process may use, or None where the system does not say."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on every operating system
        return None


def _busy_ticks(proc: Path, cores: frozenset[int] | None) -> int | None:
    """Return the ticks that some cores were not idle since boot, all together."""
    try:
        lines = (proc / "stat").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    rows = [line.split() for line in lines if line.startswith("cpu") and not line.startswith("cpu ")]
    busy = [
        sum(int(word) for place, word in enumerate(row[1 : COUNTED + 1], start=1) if place not in IDLE_COLUMNS)
        for row in rows
        if row[0][3:].isdecimal() and (cores is None or int(row[0][3:]) in cores)
    ]
    return sum(busy) if busy else None
