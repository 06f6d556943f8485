"""Time networks in turn with a canary, so that a machine whose speed wanders takes both along.

The method, as pseudo-code::

    warm up every contestant; put so many runs into its turn that the clock's resolution does not matter
    until every ratio's interval is narrow, or the time limit:
        (load all files anew, in random order, where asked to)
        a window: several rounds; in a round each contestant has one short turn, in fresh random order
        a turn: some runs that are not timed, since the contestant before has left the caches cold, and the timed ones
        keep each contestant's median over its turns (or discard the window where the clock ran backwards)

Pairing by interleaved turns follows Bulej et al., "Duet benchmarking", ICPE 2020, with turns instead of parallel runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..machine import Counters, conditions_between, read_counters
from ..runtimes import Runtime, Session
from ..target import Target
from .measurement import Measurement
from .pinning import Cores, pinned
from .protocol import TimingProtocol

# The first runs of a session allocate and pack; the least that are never timed.
_WARMUP_RUNS = 3

# A slow network's window keeps at least this many rounds before its turns get shorter: a median needs three.
_LEAST_ROUNDS = 3

# The stop rule looks again only after the windows have grown by this factor: stopping at the first lucky moment of
# many makes intervals too narrow (on the null runtime: 91 % coverage instead of 95 % when looking after every window).
_LOOK_GROWTH = 1.25

# A turn is led in for no longer than about this: to fill the caches takes some milliseconds, whatever a run takes.
_LONGEST_LEAD_S = 0.1

# Doublings of the inner loop before the clock is declared stuck: 2**15 runs of 0.1 us last for a turn.
_DOUBLINGS = 15

# Single runs are timed one by one where a turn has at most so many: reading the clock then takes below 1 % of a run.
_MOST_SINGLE_RUNS = 200

# A clock that jumps back or stands still must not warm up for ever.
_MOST_WARMUP_RUNS = 4096

Clock = Callable[[], float]
Sessions = Mapping[str, Session]


@dataclass(frozen=True, slots=True)
class _Plan:
    runs: Mapping[str, int]
    rounds: int
    lead: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Turns:
    """Seconds per run of each turn, and seconds of each single run, by contestant."""

    means: Mapping[str, list[float]]
    runs: Mapping[str, list[float]]


class _Stopwatch:
    """Counts how long a clock ran forwards, so that a jump back does not suspend a time limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest = clock()
        self._passed = 0.0

    def passed(self) -> float:
        now = self._clock()
        self._passed += max(0.0, now - self._latest)
        self._latest = now
        return self._passed


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
    _check_canary(canary, sessions)
    watch = _Stopwatch(clock)
    with _pin(sessions, protocol, sleep) as cores:
        plan = _prepare(sessions, protocol, clock, loading_s=0.0)
        empty = _empty(canary, sessions, plan, protocol, versions, date)
        before = conditions()
        measured = _take_windows(empty, lambda: sessions, plan, watch, clock, rng, sleep, on_window)
        after = conditions()
    return replace(measured, conditions={**conditions_between(before, after), **_cores(cores)})


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


def compare_files(
    runtime: Runtime,
    files: Mapping[str, bytes | Path],
    target: Target,
    canary: str,
    protocol: TimingProtocol,
    *,
    rng: np.random.Generator,
    on_window: Callable[[int, int], None] | None = None,
    date: str | None = None,
) -> Measurement:
    """Load files and time them in turn; see `compare`.

    With `TimingProtocol.reload`, all are loaded anew between windows, in random order. Where in memory a file's
    weights and buffers come to lie changes its speed, by a per cent or so and for as long as it stays loaded; only
    loading it again makes that a part of the interval.

    Args:
        runtime: Runs the files.
        files: Contestant -> content or path; the canary is one of them.
        target: Where.
        canary: Name of the contestant that the others' ratios are taken to.
        protocol: How long, how often and how evenly.
        rng: Draws inputs, the order of loading and the order of turns.
        on_window: Called after each kept window with (windows so far, `protocol.min_windows`).
        date: ISO 8601; now, in UTC, where left out.

    Raises:
        ArtefactError: The runtime cannot load or run a file.
        RuntimeUnavailableError: The target cannot be used here.
        ValueError: The canary is not one of the files, or the clock does not advance.
    """
    _check_canary(canary, files)
    runtime.require(target)
    clock, watch, seed = runtime.clock, _Stopwatch(runtime.clock), int(rng.integers(2**32))
    with ExitStack() as stack:
        with runtime.load(files[canary], target, np.random.default_rng(seed)) as probe:
            cores = stack.enter_context(_pin({canary: probe}, protocol, runtime.sleep))
        loaded = stack.enter_context(ExitStack())
        began = watch.passed()
        sessions = _load(runtime, files, target, seed, rng, loaded)
        loading_s = (watch.passed() - began) / protocol.windows_per_load if protocol.reload else 0.0
        plan = _prepare(sessions, protocol, clock, loading_s)
        uses = 0

        def load() -> Sessions:
            nonlocal sessions, uses
            if protocol.reload and uses == protocol.windows_per_load:
                loaded.close()
                sessions = _load(runtime, files, target, seed, rng, loaded)
                _run_in(sessions)
                uses = 0
            uses += 1
            return sessions

        empty = _empty(canary, files, plan, protocol, runtime.versions(), date)
        before = runtime.conditions()
        measured = _take_windows(empty, load, plan, watch, clock, rng, runtime.sleep, on_window)
        after = runtime.conditions()
    return replace(measured, conditions={**conditions_between(before, after), **_cores(cores)})


def _check_canary(canary: str, contestants: Mapping[str, object]) -> None:
    if canary not in contestants:
        raise ValueError(f"The canary must be one of the sessions, but {canary!r} is not in {sorted(contestants)}.")


def _load(
    runtime: Runtime,
    files: Mapping[str, bytes | Path],
    target: Target,
    seed: int,
    rng: np.random.Generator,
    stack: ExitStack,
) -> Sessions:
    names = list(files)
    loaded = {
        names[index]: stack.enter_context(runtime.load(files[names[index]], target, np.random.default_rng(seed)))
        for index in rng.permutation(len(names))
    }
    return {name: loaded[name] for name in names}


@contextmanager
def _pin(sessions: Sessions, protocol: TimingProtocol, sleep: Callable[[float], None]) -> Iterator[Cores | None]:
    threads = [session.threads for session in sessions.values()]
    known = [count for count in threads if count is not None]
    if not known or len(known) < len(threads):
        yield None
        return
    with pinned(max(known), protocol.watch_s, sleep=sleep) as cores:
        yield cores


def _cores(cores: Cores | None) -> dict[str, float | None]:
    """Return what was pinned, as conditions: how many cores, and the first of them; None where nothing was."""
    return {"pinned_cores": None if cores is None else len(cores), "pinned_first": None if cores is None else cores[0]}


def _empty(
    canary: str,
    names: Mapping[str, object],
    plan: _Plan,
    protocol: TimingProtocol,
    versions: Mapping[str, str] | None,
    date: str | None,
) -> Measurement:
    return Measurement(
        canary=canary,
        windows=dict.fromkeys(names, ()),
        starts_s=(),
        runs_per_turn=plan.runs,
        turns_per_window=plan.rounds,
        protocol=protocol,
        versions=versions or {},
        date=date or datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _prepare(sessions: Sessions, protocol: TimingProtocol, clock: Clock, loading_s: float) -> _Plan:
    for session in sessions.values():
        _warm_up(session, protocol, clock)
    run_s = {name: _seconds_per_run(session, protocol, clock) for name, session in sessions.items()}
    return _plan(run_s, protocol, loading_s)


def _run_in(sessions: Sessions) -> None:
    for session in sessions.values():
        for _ in range(_WARMUP_RUNS):
            session.run()


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


def _plan(run_s: Mapping[str, float], protocol: TimingProtocol, loading_s: float) -> _Plan:
    """Return runs per turn and rounds per window, fewer of them where slow networks would exceed the time limit."""
    window_s = max(0.0, protocol.time_limit_s / protocol.min_windows - loading_s)
    lead = {name: min(protocol.lead_runs, round(_LONGEST_LEAD_S / seconds)) for name, seconds in run_s.items()}
    for least_runs, least_rounds in ((protocol.runs_per_turn, _LEAST_ROUNDS), (1, 1)):
        runs = {name: max(least_runs, math.ceil(protocol.turn_s / seconds)) for name, seconds in run_s.items()}
        affordable = math.floor(window_s / sum((lead[name] + runs[name]) * run_s[name] for name in runs))
        if affordable >= min(least_rounds, protocol.turns_per_window):
            return _Plan(runs, min(protocol.turns_per_window, affordable), lead)
    return _Plan(runs, 1, lead)


def _take_windows(
    measured: Measurement,
    load: Callable[[], Sessions],
    plan: _Plan,
    watch: _Stopwatch,
    clock: Clock,
    rng: np.random.Generator,
    sleep: Callable[[float], None],
    on_window: Callable[[int, int], None] | None,
) -> Measurement:
    protocol = measured.protocol
    first = watch.passed()
    discarded = 0
    look = protocol.min_windows
    # As many windows may be discarded as may be kept, so that a broken clock cannot keep this busy for ever.
    while measured.n_windows < protocol.max_windows and discarded < protocol.max_windows:
        if measured.n_windows >= protocol.min_windows and watch.passed() >= protocol.time_limit_s:
            break
        if measured.n_windows == look:
            if _narrow_enough(measured):
                break
            look = max(look + 1, math.ceil(_LOOK_GROWTH * look))
        sessions = load()
        _wait_for_slot(measured.n_windows, protocol, sessions, first=first, watch=watch, sleep=sleep)
        start = watch.passed()
        turns = _window(sessions, plan, clock, rng)
        # The stopwatch has to see each window: a jump back at its end must not hide the time that it took.
        watch.passed()
        if turns is None:
            discarded += 1
            continue
        measured = _with_window(measured, turns, start)
        if on_window is not None:
            on_window(measured.n_windows, protocol.min_windows)
    return replace(measured, notes=_notes(measured, plan, discarded))


def _with_window(measured: Measurement, turns: _Turns, start: float) -> Measurement:
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


def _notes(measured: Measurement, plan: _Plan, discarded: int) -> tuple[str, ...]:
    protocol = measured.protocol
    notes = []
    if discarded:
        notes.append(f"The clock ran backwards or stood still: {discarded} windows were discarded.")
    if plan.rounds < protocol.turns_per_window:
        notes.append(f"Slow networks: {plan.rounds} instead of {protocol.turns_per_window} turns per window.")
    return tuple(notes)


def _wait_for_slot(
    index: int,
    protocol: TimingProtocol,
    sessions: Sessions,
    *,
    first: float,
    watch: _Stopwatch,
    sleep: Callable[[float], None],
) -> None:
    """Wait until the window of this index may start, so that `min_windows` are spread over `min_spread_s`."""
    if protocol.min_spread_s == 0 or not 0 < index < max(2, protocol.min_windows):
        return
    gap = protocol.min_spread_s / max(1, protocol.min_windows - 1)
    wait = first + index * gap - watch.passed()
    if wait <= 0:
        return
    sleep(min(wait, gap))
    # Idle caches and clocks are not what is timed.
    _run_in(sessions)


def _window(sessions: Sessions, plan: _Plan, clock: Clock, rng: np.random.Generator) -> _Turns | None:
    """Return the turns of one window; None where the clock did not run forwards."""
    names = list(sessions)
    turns = _Turns({name: [] for name in names}, {name: [] for name in names})
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


def _narrow_enough(measured: Measurement) -> bool:
    """Whether every contestant's interval of the ratio (of the seconds, for a canary alone) is narrow enough."""
    others = [name for name in measured.names if name != measured.canary]
    intervals = [measured.ratio(name) for name in others] or [measured.seconds(measured.canary)]
    limit = measured.protocol.relative_half_width
    return all(interval is not None and interval.relative_half_width <= limit for interval in intervals)
