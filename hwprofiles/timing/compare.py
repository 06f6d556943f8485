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

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..machine import conditions_between
from ..runtimes import Runtime, Session
from ..target import Target
from .loop import Loop, OnWindow
from .measurement import Measurement
from .pinning import Cores, pinned
from .protocol import TimingProtocol
from .surroundings import Stopwatch, Surroundings
from .turns import Plan, Sessions, prepare, run_in


def compare(
    sessions: Mapping[str, Session],
    canary: str,
    protocol: TimingProtocol,
    surroundings: Surroundings,
    *,
    rng: np.random.Generator,
    on_window: OnWindow | None = None,
    date: str | None = None,
) -> Measurement:
    """Time sessions in turn with a canary.

    Args:
        sessions: Contestant -> loaded session; the canary is one of them, best the unpruned network.
        canary: Name of the contestant that the others' ratios are taken to.
        protocol: How long, how often and how evenly.
        surroundings: The clock that the sessions are timed with, and what belongs to it.
        rng: Draws the order of turns.
        on_window: Called after each kept window with (windows so far, `protocol.min_windows`).
        date: ISO 8601; now, in UTC, where left out.

    Returns:
        The raw windows; see `Measurement.stable` for whether they can be trusted.

    Raises:
        ValueError: There is no session, the canary is not one of them, or the clock does not advance.
    """
    _check_canary(canary, sessions)
    watch = Stopwatch(surroundings.clock)
    with _pin(sessions, protocol, surroundings.sleep) as cores:
        plan = prepare(sessions, protocol, surroundings.clock, loading_s=0.0)
        empty = _empty(canary, list(sessions), plan, protocol, surroundings.versions, date)
        before = surroundings.conditions()
        measured = Loop(empty, plan, surroundings, watch, rng=rng, on_window=on_window).run(lambda: sessions)
        after = surroundings.conditions()
    return replace(measured, conditions={**conditions_between(before, after), **_cores(cores)})


def compare_on(
    runtime: Runtime,
    sessions: Mapping[str, Session],
    canary: str,
    protocol: TimingProtocol,
    *,
    rng: np.random.Generator,
    on_window: OnWindow | None = None,
    date: str | None = None,
) -> Measurement:
    """Time sessions of one runtime with that runtime's clock, sleep, counters and versions; see `compare`."""
    return compare(sessions, canary, protocol, Surroundings.of(runtime), rng=rng, on_window=on_window, date=date)


def compare_files(
    runtime: Runtime,
    files: Mapping[str, bytes | Path],
    target: Target,
    canary: str,
    protocol: TimingProtocol,
    *,
    rng: np.random.Generator,
    on_window: OnWindow | None = None,
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
    watch, seed = Stopwatch(runtime.clock), int(rng.integers(2**32))
    with ExitStack() as stack:
        with runtime.load(files[canary], target, np.random.default_rng(seed)) as probe:
            cores = stack.enter_context(_pin({canary: probe}, protocol, runtime.sleep))
        began = watch.passed()
        contestants = stack.enter_context(_Contestants(runtime, files, target, rng, seed))
        loading_s = (watch.passed() - began) / protocol.windows_per_load if protocol.reload else 0.0
        plan = prepare(contestants.sessions, protocol, runtime.clock, loading_s)
        surroundings = Surroundings.of(runtime)
        empty = _empty(canary, list(files), plan, protocol, surroundings.versions, date)
        before = surroundings.conditions()
        loop = Loop(empty, plan, surroundings, watch, rng=rng, on_window=on_window)
        measured = loop.run(lambda: contestants.next(protocol.windows_per_load if protocol.reload else None))
        after = surroundings.conditions()
    return replace(measured, conditions={**conditions_between(before, after), **_cores(cores)})


class _Contestants:
    """Sessions of files, which lie in memory anew each time that they are loaded."""

    def __init__(
        self,
        runtime: Runtime,
        files: Mapping[str, bytes | Path],
        target: Target,
        rng: np.random.Generator,
        seed: int,
    ) -> None:
        """Load the files, in the order that `rng` draws; `seed` is that of their inputs."""
        self._runtime, self._files, self._target = runtime, files, target
        self._rng, self._seed = rng, seed
        self._windows = 0
        self._loaded = ExitStack()
        self.sessions = self._load()

    def __enter__(self) -> _Contestants:
        return self

    def __exit__(self, *_: object) -> None:
        self._loaded.close()

    def next(self, windows_per_load: int | None) -> Sessions:
        """Return the sessions of the next window, loaded anew after so many windows; never where that is None."""
        if self._windows == windows_per_load:
            self._loaded.close()
            self.sessions = self._load()
            run_in(self.sessions)
            self._windows = 0
        self._windows += 1
        return self.sessions

    def _load(self) -> Sessions:
        names = list(self._files)
        with ExitStack() as stack:
            loaded: dict[str, Session] = {}
            for index in self._rng.permutation(len(names)):
                rng = np.random.default_rng(self._seed)
                session = self._runtime.load(self._files[names[index]], self._target, rng)
                loaded[names[index]] = stack.enter_context(session)
            # Where one cannot be loaded, those before it are closed.
            self._loaded = stack.pop_all()
        return {name: loaded[name] for name in names}


def _check_canary(canary: str, contestants: Mapping[str, object]) -> None:
    if canary not in contestants:
        raise ValueError(f"The canary must be one of the sessions, but {canary!r} is not in {sorted(contestants)}.")


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
    names: list[str],
    plan: Plan,
    protocol: TimingProtocol,
    versions: Mapping[str, str],
    date: str | None,
) -> Measurement:
    return Measurement(
        canary=canary,
        windows=dict.fromkeys(names, ()),
        starts_s=(),
        runs_per_turn=plan.runs,
        turns_per_window=plan.rounds,
        protocol=protocol,
        versions=versions,
        date=date or datetime.now(UTC).isoformat(timespec="seconds"),
    )
