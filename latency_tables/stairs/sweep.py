"""Sweep the widths of each class of operators once, to find its stairs: few small networks, timed in turns.

A class whose stairs the journal holds is not swept again. One line is written when a class is done, so that a kill
loses at most the class under way.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np

from hwprofiles import ArtefactError, Interval, Runtime, Session, Target, TimingProtocol, compare_on

from ..build import job_rng
from ..journal import BASELINE, SUBNET, StairsRecord
from ..journal.claiming import claim
from ..journal.reading import assemble
from ..rig import Rig
from ..table import LatencyTable
from .stairs import Stairs, is_faster

SWEEP = TimingProtocol(
    lead_runs=0,
    runs_per_turn=1,
    turn_s=0.0005,
    turns_per_window=6,
    min_windows=8,
    max_windows=12,
    relative_half_width=0.015,
    time_limit_s=0.08,
    warmup_s=0.003,
    turn_quantile=0.1,
)
"""How long one width is timed: about a tenth of a second, with the canary. A window keeps its fastest turn, more or
less: a sweep compares what widths cost where nothing disturbs, and has no time to wait for calm."""

MOST_POINTS = 24
"""Widths of one class that are timed, at most."""

ATTEMPTS = 3
"""Sweeps over one class, at most, where those before were too uncertain; the most certain one counts."""

_OFFSETS = (1, 2, 4, 8, 16, 32)

_WIDE = 0.12
"""Relative half width of an interval above which a timing was disturbed, and is repeated."""

_RETRIES = 2

_DOUBTS = 3
_FEW_WITNESSES = 2

_MOST_MIDDLE = 64
"""Around this width, or half of the size where that is less, a block of channels is a measurable share."""

Measure = Callable[[int], Interval | str]
"""Width -> its ratio to the canary, or the reason why the runtime could not run it."""


@dataclass(frozen=True)
class Sweep:
    """One class of operators to sweep.

    Attributes:
        kind: Its name, without sizes.
        size: Full size of the dim that represents it.
        artefact: Width -> the content of the file in which that dim has this width, and all else its full size.
    """

    kind: str
    size: int
    artefact: Callable[[int], bytes]


def sweep(
    rig: Rig,
    sweeps: Iterable[Sweep],
    *,
    rng: np.random.Generator,
    protocol: TimingProtocol = SWEEP,
    progress: Callable[[int, int, str], None] | None = None,
) -> LatencyTable:
    """Sweep the classes whose stairs the journal lacks and return the whole table.

    Args:
        rig: The runtime, the target and the journal.
        sweeps: The classes, each of another kind.
        rng: Draws inputs and the order of turns; only its seed is used, together with each class.
        protocol: How long one width is timed.
        progress: Told before each class: how many are done, how many there are, and its kind.

    Raises:
        ForeignTableError: The journal is of another machine or target.
        LockedTableError: Another process is writing it.
        CorruptTableError: It cannot be read.
    """
    machine, versions, wanted = rig.machine, rig.runtime.versions(), list(sweeps)
    with rig.store.writing() as writer:
        header = claim(writer, rig.target, machine, versions, allow_foreign=rig.allow_foreign)
        held = {
            (r.stairs.kind, r.stairs.size)
            for r in writer.contents.stairs
            if dict(r.versions) == versions and r.fingerprint == machine
        }
        todo = [item for item in wanted if (item.kind, item.size) not in held]
        for done, item in enumerate(todo, start=len(wanted) - len(todo)):
            if progress is not None:
                progress(done, len(wanted), item.kind)
            stairs = _steadiest(rig.runtime, rig.target, item, job_rng(rng, item.kind, "sweep"), protocol)
            date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            writer.append(StairsRecord(stairs, machine, versions, date))
    return assemble(rig.store.read(), header, machine, versions, rig.allow_foreign)


def _steadiest(
    runtime: Runtime, target: Target, item: Sweep, rng: np.random.Generator, protocol: TimingProtocol
) -> Stairs:
    """Sweep until it can be trusted, or often enough; never again later, since the levels on offer follow from it."""
    found = find_stairs(runtime, target, item, rng, protocol)
    for _ in range(ATTEMPTS - 1):
        if not found.is_unsteady:
            break
        again = find_stairs(runtime, target, item, rng, protocol)
        found = min(found, again, key=lambda stairs: stairs.uncertainty)
    return found


def find_stairs(
    runtime: Runtime, target: Target, item: Sweep, rng: np.random.Generator, protocol: TimingProtocol = SWEEP
) -> Stairs:
    """Time widths of one class against the widest that the runtime can run; see `adaptive`."""
    failed: dict[int, str] = {}
    # A width whose timing was disturbed is timed again at once.
    artefact = lru_cache(maxsize=1)(item.artefact)
    for width in range(item.size, max(0, item.size - 4), -1):
        # Where the runtime cannot run the full size, the next narrower one is the canary.
        try:
            canary = runtime.load(artefact(width), target, rng)
        except ArtefactError as error:
            failed[width] = str(error) or type(error).__name__
            continue
        with closing(canary):
            ratios, odd = adaptive(width, partial(_ratio, runtime, target, artefact, canary, rng, protocol))
        return Stairs(item.kind, item.size, ratios, {**failed, **odd})
    return Stairs(item.kind, item.size, {}, failed)


def adaptive(size: int, measure: Measure, most: int = MOST_POINTS) -> tuple[dict[int, Interval], dict[int, str]]:
    """Choose widths to time: around the size and around half of it (64 at most), then between neighbours that differ.

    Args:
        size: The widest width; it is the canary, so its ratio is 1 and it is not timed.
        measure: Times one width.
        most: Widths to time, at most.

    Returns:
        Width -> ratio, and width -> why it could not be run.
    """
    ratios, failed = {size: Interval(1.0, 1.0, 1.0)}, dict[int, str]()

    def take(widths: Iterable[int]) -> None:
        for width in widths:
            if width not in ratios and width not in failed and len(ratios) + len(failed) <= most:
                found = _calm(measure, width)
                if isinstance(found, str):
                    failed[width] = found
                else:
                    ratios[width] = found

    take(_probes(size, most))
    while len(ratios) + len(failed) <= most:
        widest = next(_between(ratios, failed), None)
        if widest is None:
            break
        take([widest])
    _doubt(size, ratios, measure)
    return dict(sorted(ratios.items())), failed


def _calm(measure: Measure, width: int) -> Interval | str:
    """Time a width, again where its interval is wide, and return the narrowest interval."""
    found = measure(width)
    for _ in range(_RETRIES):
        if isinstance(found, str) or found.relative_half_width <= _WIDE:
            return found
        again = measure(width)
        if isinstance(again, Interval) and again.relative_half_width < found.relative_half_width:
            found = again
    return found


def _doubt(size: int, ratios: dict[int, Interval], measure: Measure) -> None:
    """Time widths again that alone, or almost alone, make the stairs look finer than twice as coarse ones.

    A disturbed timing makes stairs finer, never coarser; one that is disturbed twice is rare. Both timings count.
    """
    trusted: set[tuple[int, int]] = set()
    for _ in range(_DOUBTS):
        stairs = Stairs("in doubt", size, ratios)
        finer, coarser = (stairs.against(quantum, stairs.phase) for quantum in (stairs.quantum, 2 * stairs.quantum))
        witnesses = {*finer, *(coarser if len(coarser) <= _FEW_WITNESSES and not stairs.phase else ())} - trusted
        again = {width for pair in witnesses for width in pair if width != size}
        trusted |= witnesses
        if not again:
            return
        for width in sorted(again):
            found = measure(width)
            if isinstance(found, Interval):
                ratios[width] = _both(ratios[width], found)


def _both(first: Interval, second: Interval) -> Interval:
    """Return an interval that holds both, around the mean of their medians."""
    low, high = min(first.low, second.low), max(first.high, second.high)
    return Interval((first.median + second.median) / 2, low, high, first.confidence)


def _probes(size: int, most: int) -> Iterator[int]:
    """Yield the widths to begin with; all of them where they are few."""
    if size <= most:
        yield from range(size - 1, 0, -1)
        return
    yield from (size - offset for offset in _OFFSETS if offset < size)
    # Near a multiple of 32, since ends of blocks are looked for; and not far up, where a block is lost in the noise.
    half = min(size // 2, _MOST_MIDDLE)
    middle = half // 32 * 32 or half
    yield middle
    for offset in _OFFSETS:
        yield from (w for w in (middle - offset, middle + offset) if 0 < w < size)


def _between(ratios: Mapping[int, Interval], failed: Mapping[int, str]) -> Iterator[int]:
    """Yield the middle between neighbours that differ and have untimed widths between them, steepest first."""
    pairs = [
        (abs(ratios[b].median - ratios[a].median) / (b - a), (a + b) // 2)
        for a, b in pairwise(sorted(ratios))
        if 1 < b - a <= _OFFSETS[-1] // 2 and (is_faster(ratios[a], ratios[b]) or is_faster(ratios[b], ratios[a]))
    ]
    yield from (middle for _, middle in sorted(pairs, reverse=True) if middle not in failed)


def _ratio(
    runtime: Runtime,
    target: Target,
    artefact: Callable[[int], bytes],
    canary: Session,
    rng: np.random.Generator,
    protocol: TimingProtocol,
    width: int,
) -> Interval | str:
    try:
        with closing(runtime.load(artefact(width), target, rng)) as session:
            sessions = {SUBNET: session, BASELINE: canary}
            found = compare_on(runtime, sessions, BASELINE, protocol, rng=rng).ratio(SUBNET)
    except ArtefactError as error:
        return str(error) or type(error).__name__
    return found if found is not None else "The clock gave too few windows for an interval."
