"""Sessions on a fake clock that do what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hwprofiles import (
    Counters,
    FakeClock,
    InputSpec,
    Measurement,
    NodeTime,
    Session,
    Surroundings,
    TimingProtocol,
    compare,
)


class FakeSession(Session):
    """Takes a fixed time on a fake clock, or what a function of the run's index says."""

    def __init__(self, clock: FakeClock, seconds: float | Callable[[int], float]) -> None:
        self.clock = clock
        self.seconds = seconds
        self.runs = 0

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        return ()

    def run(self) -> None:
        seconds = self.seconds(self.runs) if callable(self.seconds) else self.seconds
        self.runs += 1
        self.clock.advance(seconds)

    def outputs(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        return {}

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        return ()

    def close(self) -> None:
        return None


def compare_fakes(
    clock: FakeClock,
    sessions: Mapping[str, Session],
    protocol: TimingProtocol,
    *,
    seed: int = 0,
    canary: str = "baseline",
    on_window: Callable[[int, int], None] | None = None,
    conditions: Callable[[], Counters] = Counters,
) -> Measurement:
    return compare(
        sessions,
        canary,
        protocol,
        Surroundings(clock, sleep=clock.advance, conditions=conditions),
        rng=np.random.default_rng(seed),
        on_window=on_window,
        date="2026-11-20T12:00:00+00:00",
    )
