"""Hold the timing thread to quiet cores where the system allows it; nothing here ever fails.

A thread that the scheduler moves in the middle of a comparison finds cold caches, on one side of the ratio only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Cores = tuple[int, ...]


@contextmanager
def pinned(
    threads: int,
    watch_s: float = 0.05,
    *,
    sleep: Callable[[float], None] = time.sleep,
    proc: Path = Path("/proc"),
) -> Iterator[Cores | None]:
    """Hold the calling thread, and threads that it starts meanwhile, to as many cores as the target has threads.

    Those cores are taken that were idle the longest while they were watched. Threads that run already, such as those
    of a pool, stay where they are allowed to be.

    Args:
        threads: Of the target, at least 1.
        watch_s: Time for which the cores are watched.
        sleep: Waits for seconds.
        proc: Where the kernel's process file system is mounted.

    Yields:
        The cores, or None where nothing was pinned: the system does not allow or know it, or no core would be left.
    """
    allowed = _allowed()
    if allowed is None or not 1 <= threads < len(allowed):
        # One allowed core is a pin that somebody else has set.
        yield tuple(allowed) if allowed is not None and len(allowed) == threads == 1 else None
        return
    cores = _quietest(allowed, threads, watch_s, sleep, proc)
    held = _set(cores)
    try:
        yield cores if held else None
    finally:
        if held:
            _set(allowed)


def _allowed() -> list[int] | None:
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on every operating system
        return None


def _set(cores: list[int] | Cores) -> bool:
    try:
        os.sched_setaffinity(0, cores)
    except (AttributeError, OSError, ValueError):
        return False
    return True


def _quietest(allowed: list[int], count: int, watch_s: float, sleep: Callable[[float], None], proc: Path) -> Cores:
    before = idle_ticks(proc)
    sleep(watch_s)
    after = idle_ticks(proc)
    # Of equally idle cores the last: interrupts tend to go to the first.
    ranked = sorted(allowed, key=lambda core: (after.get(core, 0) - before.get(core, 0), core), reverse=True)
    return tuple(sorted(ranked[:count]))


def idle_ticks(proc: Path = Path("/proc")) -> dict[int, int]:
    """Return core -> ticks that it was idle since boot; empty where the system does not say."""
    try:
        lines = (proc / "stat").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    rows = [line.split() for line in lines if line.startswith("cpu") and not line.startswith("cpu ")]
    return {int(row[0][3:]): int(row[4]) + int(row[5]) for row in rows if len(row) > 5 and row[0][3:].isdecimal()}
