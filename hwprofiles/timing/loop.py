"""The loop of a comparison: window after window, until every ratio is known well enough or the time is up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .measurement import Measurement
from .surroundings import Stopwatch, Surroundings
from .turns import Plan, Sessions, Turns, run_in, take_window

# The stop rule looks again only after the windows have grown by this factor: stopping at the first lucky moment of
# many makes intervals too narrow (on the null runtime: 91 % coverage instead of 95 % when looking after every window).
_LOOK_GROWTH = 1.25

OnWindow = Callable[[int, int], None]
"""Told after each kept window: (windows so far, `TimingProtocol.min_windows`)."""


class Loop:
    """Takes windows and decides when there are enough; used for one comparison.

    What it knows between two windows: the measurement so far, how many windows were discarded, when the first one
    began, and after which window it looks next whether the intervals are narrow enough.
    """

    def __init__(
        self,
        empty: Measurement,
        plan: Plan,
        surroundings: Surroundings,
        watch: Stopwatch,
        *,
        rng: np.random.Generator,
        on_window: OnWindow | None = None,
    ) -> None:
        """Make a loop.

        Args:
            empty: The measurement before its first window; it holds the protocol.
            plan: What a window holds.
            surroundings: Of the sessions.
            watch: Runs since the comparison began.
            rng: Draws the order of turns.
            on_window: Told after each kept window.
        """
        self._measured, self._plan = empty, plan
        self._surroundings, self._watch = surroundings, watch
        self._rng, self._on_window = rng, on_window
        self._discarded = 0
        self._first_s = 0.0
        self._look = empty.protocol.min_windows

    def run(self, load: Callable[[], Sessions]) -> Measurement:
        """Take all windows and return the measurement.

        Args:
            load: Returns the sessions of the next window.
        """
        self._first_s = self._watch.passed()
        while not self._is_over():
            self._take(load())
        return replace(self._measured, notes=self._notes())

    def _is_over(self) -> bool:
        protocol, n = self._measured.protocol, self._measured.n_windows
        # As many windows may be discarded as may be kept, so that a broken clock cannot keep this busy for ever.
        if n >= protocol.max_windows or self._discarded >= protocol.max_windows:
            return True
        if n >= protocol.min_windows and self._watch.passed() >= protocol.time_limit_s:
            return True
        if n == self._look:
            if _narrow_enough(self._measured):
                return True
            self._look = max(n + 1, math.ceil(_LOOK_GROWTH * n))
        return False

    def _take(self, sessions: Sessions) -> None:
        self._wait_for_slot(sessions)
        start = self._watch.passed()
        turns = take_window(sessions, self._plan, self._surroundings.clock, self._rng)
        # The stopwatch has to see each window: a jump back at its end must not hide the time that it took.
        self._watch.passed()
        if turns is None:
            self._discarded += 1
            return
        self._measured = _with_window(self._measured, turns, start)
        if self._on_window is not None:
            self._on_window(self._measured.n_windows, self._measured.protocol.min_windows)

    def _wait_for_slot(self, sessions: Sessions) -> None:
        """Wait until the next window may start, so that `min_windows` are spread over `min_spread_s`."""
        protocol, index = self._measured.protocol, self._measured.n_windows
        if protocol.min_spread_s == 0 or not 0 < index < max(2, protocol.min_windows):
            return
        gap = protocol.min_spread_s / max(1, protocol.min_windows - 1)
        wait = self._first_s + index * gap - self._watch.passed()
        if wait <= 0:
            return
        self._surroundings.sleep(min(wait, gap))
        # Idle caches and clocks are not what is timed.
        run_in(sessions)

    def _notes(self) -> tuple[str, ...]:
        wanted, notes = self._measured.protocol.turns_per_window, []
        if self._discarded:
            notes.append(f"The clock ran backwards or stood still: {self._discarded} windows were discarded.")
        if self._plan.rounds < wanted:
            notes.append(f"Slow networks: {self._plan.rounds} instead of {wanted} turns per window.")
        return tuple(notes)


def _with_window(measured: Measurement, turns: Turns, start: float) -> Measurement:
    quantile = measured.protocol.turn_quantile
    keep = measured.protocol.keep_runs
    return replace(
        measured,
        windows={
            name: (*measured.windows[name], float(np.quantile(means, quantile))) for name, means in turns.means.items()
        },
        starts_s=(*measured.starts_s, start),
        # In whole nanoseconds: what a clock says beyond them is noise, and files stay small.
        runs_s={
            name: (*measured.runs_s.get(name, ()), *(round(seconds, 9) for seconds in runs))
            for name, runs in turns.runs.items()
            if keep and runs
        },
    )


def _narrow_enough(measured: Measurement) -> bool:
    """Whether every contestant's interval of the ratio (of the seconds, for a canary alone) is narrow enough."""
    others = [name for name in measured.names if name != measured.canary]
    intervals = [measured.ratio(name) for name in others] or [measured.seconds(measured.canary)]
    limit = measured.protocol.relative_half_width
    return all(interval is not None and interval.relative_half_width <= limit for interval in intervals)
