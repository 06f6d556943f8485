"""What a comparison takes from the machine that it runs on: its clock, its counters, the versions of its libraries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..machine import Counters, read_counters
from ..runtimes import Runtime

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a comparison takes place; of a real machine or of a pretended one, but all of the same.

    Attributes:
        clock: Steady clock in seconds; the runtime's own.
        sleep: Waits for seconds on that clock; used only to spread windows and to watch the cores.
        conditions: Reads the machine's counters before and after the windows.
        versions: Library -> version, kept with the result.
    """

    clock: Clock
    sleep: Callable[[float], None] = time.sleep
    conditions: Callable[[], Counters] = read_counters
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, runtime: Runtime) -> Surroundings:
        """Return those of a runtime.

        Raises:
            RuntimeUnavailableError: The runtime is not installed.
        """
        return cls(runtime.clock, runtime.sleep, runtime.conditions, runtime.versions())


class Stopwatch:
    """Counts how long a clock ran forwards, so that a jump back does not suspend a time limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest = clock()
        self._passed = 0.0

    def passed(self) -> float:
        """Return the seconds that passed since it was made, as far as it looked."""
        now = self._clock()
        self._passed += max(0.0, now - self._latest)
        self._latest = now
        return self._passed
