"""Turns and windows: how sessions are run on a clock, and how many runs and rounds a comparison can afford."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..runtimes import Session
from .protocol import TimingProtocol
from .surroundings import Clock

# The first runs of a session allocate and pack; the least that are never timed.
_WARMUP_RUNS = 3

# A slow network's window keeps at least this many rounds before its turns get shorter: a median needs three.
_LEAST_ROUNDS = 3

# A turn is led in for no longer than about this: to fill the caches takes some milliseconds, whatever a run takes.
_LONGEST_LEAD_S = 0.1

# Doublings of the inner loop before the clock is declared stuck: 2**15 runs of 0.1 us last for a turn.
_DOUBLINGS = 15

# Single runs are timed one by one where a turn has at most so many: reading the clock then takes below 1 % of a run.
_MOST_SINGLE_RUNS = 200

# A clock that jumps back or stands still must not warm up for ever.
_MOST_WARMUP_RUNS = 4096

Sessions = Mapping[str, Session]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of each contestant a window holds.

    Attributes:
        runs: Contestant -> timed runs in a turn.
        rounds: Turns of each contestant in a window.
        lead: Contestant -> untimed runs at the start of a turn.
    """

    runs: Mapping[str, int]
    rounds: int
    lead: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Turns:
    """Seconds per run of each turn, and seconds of each single run, by contestant."""

    means: Mapping[str, list[float]]
    runs: Mapping[str, list[float]]


def prepare(sessions: Sessions, protocol: TimingProtocol, clock: Clock, loading_s: float) -> Plan:
    """Warm the contestants up and return what a window of them is to hold.

    Args:
        sessions: Contestant -> session.
        protocol: How long, how often and how evenly.
        clock: Steady clock in seconds.
        loading_s: Time that each window spends on loading files anew.

    Raises:
        ValueError: The clock does not advance.
    """
    for session in sessions.values():
        _warm_up(session, protocol, clock)
    run_s = {name: _seconds_per_run(session, protocol, clock) for name, session in sessions.items()}
    return _planned(run_s, protocol, loading_s)


def run_in(sessions: Sessions) -> None:
    """Run each contestant a few times without timing it: first runs allocate and pack."""
    for session in sessions.values():
        for _ in range(_WARMUP_RUNS):
            session.run()


def take_window(sessions: Sessions, plan: Plan, clock: Clock, rng: np.random.Generator) -> Turns | None:
    """Return the turns of one window; None where the clock did not run forwards."""
    names = list(sessions)
    turns = Turns({name: [] for name in names}, {name: [] for name in names})
    latest = clock()
    for _ in range(plan.rounds):
        for index in rng.permutation(len(names)):
            name = names[index]
            moments = _moments(sessions[name], plan.lead[name], plan.runs[name], clock)
            if moments[0] < latest or moments[-1] <= moments[0] or any(np.diff(moments) < 0):
                return None
            latest = moments[-1]
            turns.means[name].append((moments[-1] - moments[0]) / plan.runs[name])
            if plan.runs[name] <= _MOST_SINGLE_RUNS:
                turns.runs[name].extend(np.diff(moments).tolist())
    return turns


def _warm_up(session: Session, protocol: TimingProtocol, clock: Clock) -> None:
    began = clock()
    for _ in range(_WARMUP_RUNS):
        session.run()
    for _ in range(_MOST_WARMUP_RUNS):
        if not 0 <= clock() - began < protocol.warmup_s:
            break
        session.run()


def _seconds_per_run(session: Session, protocol: TimingProtocol, clock: Clock) -> float:
    """Return a rough time of one run, from a loop that is doubled until it lasts for a turn."""
    runs = 1
    for _ in range(_DOUBLINGS):
        elapsed = _turn(session, runs, clock)
        if elapsed >= protocol.turn_s:
            # Once more: a clock that jumped forwards would make a fast network look slow.
            again = _turn(session, runs, clock)
            return (min(elapsed, again) if again > 0 else elapsed) / runs
        # A clock that jumped back says nothing about the length of the loop.
        runs *= 2 if elapsed >= 0 else 1
    raise ValueError(
        f"`clock` must advance while a session runs, but {runs} runs took less than {protocol.turn_s} s on it."
    )


def _planned(run_s: Mapping[str, float], protocol: TimingProtocol, loading_s: float) -> Plan:
    """Return runs per turn and rounds per window, fewer of them where slow networks would exceed the time limit."""
    window_s = max(0.0, protocol.time_limit_s / protocol.min_windows - loading_s)
    lead = {name: min(protocol.lead_runs, round(_LONGEST_LEAD_S / seconds)) for name, seconds in run_s.items()}
    for least_runs, least_rounds in ((protocol.runs_per_turn, _LEAST_ROUNDS), (1, 1)):
        runs = {name: max(least_runs, math.ceil(protocol.turn_s / seconds)) for name, seconds in run_s.items()}
        affordable = math.floor(window_s / sum((lead[name] + runs[name]) * run_s[name] for name in runs))
        if affordable >= min(least_rounds, protocol.turns_per_window):
            return Plan(runs, min(protocol.turns_per_window, affordable), lead)
    return Plan(runs, 1, lead)


def _moments(session: Session, lead: int, runs: int, clock: Clock) -> list[float]:
    """Lead in, and return the clock before a turn and after each of its runs; after the last only, of many."""
    run = session.run
    for _ in range(lead):
        run()
    if runs > _MOST_SINGLE_RUNS:
        began = clock()
        return [began, began + _turn(session, runs, clock, began)]
    moments = [clock()]
    for _ in range(runs):
        run()
        moments.append(clock())
    return moments


def _turn(session: Session, runs: int, clock: Clock, began: float | None = None) -> float:
    run = session.run
    start = clock() if began is None else began
    for _ in range(runs):
        run()
    return clock() - start
