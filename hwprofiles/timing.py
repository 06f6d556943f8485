"""Time networks in turn with a canary, so that a machine whose speed wanders takes both along.

The method, as pseudo-code::

    warm up every contestant; put so many runs into its turn that the clock's resolution does not matter
    until every ratio's interval is narrow, or the time limit:
        a window: several rounds; in a round each contestant has one short turn, in fresh random order
        keep each contestant's median over its turns (or discard the window where the clock ran backwards)

Pairing by interleaved turns follows Bulej et al., "Duet benchmarking", ICPE 2020, with turns instead of parallel runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from .conditions import Counters, conditions_between, read_counters
from .measurement import Measurement
from .protocol import TimingProtocol
from .runtimes._base import Runtime, Session

# The first runs of a session allocate and pack; the least that are never timed.
_WARMUP_RUNS = 3

# A slow network's window keeps at least this many rounds before its turns get shorter: a median needs three.
_LEAST_ROUNDS = 3

# The stop rule looks again only after the windows have grown by this factor: stopping at the first lucky moment of
# many makes intervals too narrow (on the null runtime: 91 % coverage instead of 95 % when looking after every window).
_LOOK_GROWTH = 1.25

# Doublings of the inner loop before the clock is declared stuck: 2**17 calls of an empty function last for a turn.
_DOUBLINGS = 17

# A clock that jumps back or stands still must not warm up for ever.
_MOST_WARMUP_RUNS = 4096

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Plan:
    runs: Mapping[str, int]
    rounds: int


def compare(
    sessions: Mapping[str, Session],
    canary: str,
    protocol: TimingProtocol,
    *,
    clock: Clock,
    rng: np.random.Generator,
    sleep: Callable[[float], None] = time.sleep,
    conditions: Callable[[], Counters] = read_counters,
    on_window: Callable[[int, int], None] | None = None,
    versions: Mapping[str, str] | None = None,
    date: str | None = None,
) -> Measurement:
    """Time sessions in turn with a canary.

    Args:
        sessions: Contestant -> loaded session; the canary is one of them, best the unpruned network.
        canary: Name of the contestant that the others' ratios are taken to.
        protocol: How long, how often and how evenly.
        clock: Steady clock in seconds; the runtime's own.
        rng: Draws the order of turns.
        sleep: Waits for seconds on that clock; used only to spread windows.
        conditions: Reads the machine's counters before and after the windows.
        on_window: Called after each kept window with (windows so far, `protocol.min_windows`).
        versions: Library -> version, kept with the result.
        date: ISO 8601; now, in UTC, where left out.

    Returns:
        The raw windows; see `Measurement.stable` for whether they can be trusted.

    Raises:
        ValueError: There is no session, the canary is not one of them, or the clock does not advance.
    """
    if canary not in sessions:
        raise ValueError(f"The canary must be one of the sessions, but {canary!r} is not in {sorted(sessions)}.")
    began = clock()
    for session in sessions.values():
        _warm_up(session, protocol, clock)
    plan = _plan({name: _seconds_per_run(session, protocol, clock) for name, session in sessions.items()}, protocol)
    empty = Measurement(
        canary=canary,
        windows=dict.fromkeys(sessions, ()),
        starts_s=(),
        runs_per_turn=plan.runs,
        turns_per_window=plan.rounds,
        protocol=protocol,
        versions=versions or {},
        date=date or datetime.now(UTC).isoformat(timespec="seconds"),
    )
    before = conditions()
    measured = _take_windows(empty, sessions, plan, began=began, clock=clock, rng=rng, sleep=sleep, on_window=on_window)
    return replace(measured, conditions=conditions_between(before, conditions()))


def compare_on(
    runtime: Runtime,
    sessions: Mapping[str, Session],
    canary: str,
    protocol: TimingProtocol,
    *,
    rng: np.random.Generator,
    on_window: Callable[[int, int], None] | None = None,
    date: str | None = None,
) -> Measurement:
    """Time sessions of one runtime with that runtime's clock, sleep, counters and versions; see `compare`."""
    return compare(
        sessions,
        canary,
        protocol,
        clock=runtime.clock,
        rng=rng,
        sleep=runtime.sleep,
        conditions=runtime.conditions,
        on_window=on_window,
        versions=runtime.versions(),
        date=date,
    )


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
            return elapsed / runs
        # A clock that jumped back says nothing about the length of the loop.
        runs *= 2 if elapsed >= 0 else 1
    raise ValueError(
        f"`clock` must advance while a session runs, but {runs} runs took less than {protocol.turn_s} s on it."
    )


def _plan(run_s: Mapping[str, float], protocol: TimingProtocol) -> _Plan:
    """Return runs per turn and rounds per window, fewer of them where slow networks would exceed the time limit."""
    window_s = protocol.time_limit_s / protocol.min_windows
    for least_runs, least_rounds in ((protocol.runs_per_turn, _LEAST_ROUNDS), (1, 1)):
        runs = {name: max(least_runs, math.ceil(protocol.turn_s / seconds)) for name, seconds in run_s.items()}
        affordable = math.floor(window_s / sum(runs[name] * run_s[name] for name in runs))
        if affordable >= least_rounds:
            return _Plan(runs, min(protocol.turns_per_window, affordable))
    return _Plan(runs, 1)


def _take_windows(
    measured: Measurement,
    sessions: Mapping[str, Session],
    plan: _Plan,
    *,
    began: float,
    clock: Clock,
    rng: np.random.Generator,
    sleep: Callable[[float], None],
    on_window: Callable[[int, int], None] | None,
) -> Measurement:
    protocol = measured.protocol
    first = clock()
    discarded = 0
    look = protocol.min_windows
    # As many windows may be discarded as may be kept, so that a broken clock cannot keep this busy for ever.
    while measured.n_windows < protocol.max_windows and discarded < protocol.max_windows:
        if measured.n_windows >= protocol.min_windows and clock() - began >= protocol.time_limit_s:
            break
        if measured.n_windows == look:
            if _narrow_enough(measured):
                break
            look = max(look + 1, math.ceil(_LOOK_GROWTH * look))
        _wait_for_slot(measured.n_windows, protocol, sessions, first=first, clock=clock, sleep=sleep)
        start = clock()
        window = _window(sessions, plan, protocol.turn_quantile, clock, rng)
        if window is None:
            discarded += 1
            continue
        measured = replace(
            measured,
            windows={name: (*measured.windows[name], seconds) for name, seconds in window.items()},
            starts_s=(*measured.starts_s, start - began),
        )
        if on_window is not None:
            on_window(measured.n_windows, protocol.min_windows)
    notes = [f"The clock ran backwards: {discarded} windows were discarded."] if discarded else []
    if plan.rounds < protocol.turns_per_window:
        notes.append(f"Slow networks: {plan.rounds} instead of {protocol.turns_per_window} turns per window.")
    return replace(measured, notes=tuple(notes))


def _wait_for_slot(
    index: int,
    protocol: TimingProtocol,
    sessions: Mapping[str, Session],
    *,
    first: float,
    clock: Clock,
    sleep: Callable[[float], None],
) -> None:
    """Wait until the window of this index may start, so that `min_windows` are spread over `min_spread_s`."""
    if protocol.min_spread_s == 0 or not 0 < index < max(2, protocol.min_windows):
        return
    gap = protocol.min_spread_s / max(1, protocol.min_windows - 1)
    wait = first + index * gap - clock()
    if wait <= 0:
        return
    # No longer than a gap: after a clock that jumped back, the slot may lie far in the future.
    sleep(min(wait, gap))
    # Idle caches and clocks are not what is timed.
    for session in sessions.values():
        for _ in range(_WARMUP_RUNS):
            session.run()


def _window(
    sessions: Mapping[str, Session], plan: _Plan, quantile: float, clock: Clock, rng: np.random.Generator
) -> dict[str, float] | None:
    """Return each contestant's quantile of its turns' seconds per run; None where the clock did not run forwards."""
    names = list(sessions)
    turns: dict[str, list[float]] = {name: [] for name in names}
    latest = clock()
    for _ in range(plan.rounds):
        for index in rng.permutation(len(names)):
            name = names[index]
            elapsed = _turn(sessions[name], plan.runs[name], clock)
            now = clock()
            if elapsed <= 0 or now < latest:
                return None
            latest = now
            turns[name].append(elapsed / plan.runs[name])
    return {name: float(np.quantile(values, quantile)) for name, values in turns.items()}


def _turn(session: Session, runs: int, clock: Clock) -> float:
    run = session.run
    began = clock()
    for _ in range(runs):
        run()
    return clock() - began


def _narrow_enough(measured: Measurement) -> bool:
    """Whether every contestant's interval of the ratio (of the seconds, for a canary alone) is narrow enough."""
    others = [name for name in measured.names if name != measured.canary]
    intervals = [measured.ratio(name) for name in others] or [measured.seconds(measured.canary)]
    limit = measured.protocol.relative_half_width
    return all(interval is not None and interval.relative_half_width <= limit for interval in intervals)
