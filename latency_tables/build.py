"""Fill a table: time networks in turn with the baseline, profile them, and write one journal line each.

A few jobs share one comparison, so that the baseline's turns are paid once. A job that is in the journal is not
repeated, so a build that was killed goes on where it stood: at most the comparison under way is lost.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from hwprofiles import (
    ArtefactError,
    IsolatedProfiler,
    Measurement,
    NodeTime,
    Runtime,
    Target,
    TimingProtocol,
    compare_files,
)

from .journal import BASELINE, SUBNET, Origin, PieceNodes, Record, Writer
from .journal.claiming import claim
from .journal.reading import assemble
from .rig import Rig
from .table import LatencyTable

PROFILE_RUNS = 5
"""Runs of the profile that gives the shares; they are averaged by the runtime's session, and cells by all networks."""

TOGETHER = 4
"""Jobs in one comparison: more would leave each turn further from the baseline's."""

Progress = Callable[[int, int, str], None]
"""Called before each comparison with the number of jobs done, the number of all, and the first job's key."""


@dataclass(frozen=True)
class Job:
    """Name one network to time.

    Attributes:
        key: Content hash of its structure, equal for equal networks and stable between runs.
        artefact: Makes the file's content; called only when the job is measured.
        pieces: Piece name -> its key, names of the values that the nodes belonging to it produce.
        origin: "level" to fill cells, "holdout" to check predictions before it fills cells, "finalist" for a candidate
            to be proven.
    """

    key: str
    artefact: Callable[[], bytes]
    pieces: PieceNodes
    origin: Origin = "level"

    def __post_init__(self) -> None:
        if not self.key or not self.pieces:
            raise ValueError(
                f"A job has a key and at least one piece, but got {self.key!r} with {len(self.pieces)} pieces."
            )
        if self.key == BASELINE:
            raise ValueError(f"A job's key is a content hash, but {self.key!r} is what comparisons call the canary.")


@dataclass(frozen=True, slots=True)
class Patience:
    """How much a build spends on its jobs.

    Attributes:
        time_limit_s: Begin no comparison that would probably end later than this, by the runtime's clock: one that
            takes as long for each contestant as the slowest before it. At least the baseline is timed. None where
            there is no limit.
        times: Timings that the journal should have of each job; the last one counts. More than one where a machine
            was too unsteady to be believed the first time. The baseline is timed once in any case.
        retry_failed: Whether to try again the jobs that the runtime could not run.
    """

    time_limit_s: float | None = None
    times: int = 1
    retry_failed: bool = False


USUAL = Patience()
"""No limit, each job once, and no second try."""


def build(
    rig: Rig,
    jobs: Iterable[Job],
    *,
    baseline: Job,
    protocol: TimingProtocol,
    rng: np.random.Generator,
    patience: Patience = USUAL,
    progress: Progress | None = None,
) -> LatencyTable:
    """Time the jobs that the journal lacks and return the whole table.

    Args:
        rig: The runtime, the target and the journal.
        jobs: Networks to time; those that the journal has are skipped. Finalists come first and alone, others in order
            and a few at a time.
        baseline: The unpruned network; each network is timed against it in turns, and seconds are quoted at the
            speed it had when it was first timed.
        protocol: How long one timing is.
        rng: Only its seed is used, together with the jobs' keys: its state is neither read nor advanced.
        patience: How long the build may take, and what it does again.
        progress: Told before each comparison.

    Raises:
        ForeignTableError: The journal is of another machine or target.
        LockedTableError: Another process is writing it.
        CorruptTableError: It cannot be read.
        ArtefactError: The runtime cannot run the baseline.
        ValueError: The journal's ratios are to another baseline, or two jobs of one key differ.
    """
    machine, runtime = rig.machine, rig.runtime
    apart = IsolatedProfiler(runtime) if runtime.native else None
    bench = _Bench(runtime, rig.target, protocol, machine, runtime.versions(), rng, apart)
    with closing(bench), rig.store.writing() as writer:
        header = claim(writer, rig.target, machine, bench.versions, allow_foreign=rig.allow_foreign)
        held = {r.job: r for r in writer.contents.records if dict(r.versions) == bench.versions}
        _check_baseline(held, baseline)
        todo = [_as_baseline(baseline), *_distinct(jobs, baseline)]
        timed = _timings(r for r in writer.contents.records if dict(r.versions) == bench.versions)
        enough = {job.key for job in todo if job.origin == BASELINE or timed[job.key] >= patience.times}
        _fill(bench, writer, todo, {k: r for k, r in held.items() if k in enough}, patience, progress)
    return assemble(rig.store.read(), header, machine, bench.versions, rig.allow_foreign)


@dataclass(frozen=True)
class _Bench:
    """Bundle what all jobs of one build have in common."""

    runtime: Runtime
    target: Target
    protocol: TimingProtocol
    fingerprint: str
    versions: dict[str, str]
    rng: np.random.Generator
    apart: IsolatedProfiler | None = None

    def close(self) -> None:
        if self.apart is not None:
            self.apart.close()

    def profile(self, job: Job, artefact: bytes) -> tuple[NodeTime, ...]:
        seed = job_rng(self.rng, job.key, "load")
        if self.apart is not None:
            return self.apart.profile(artefact, self.target, PROFILE_RUNS, seed)
        with closing(self.runtime.load(artefact, self.target, seed)) as session:
            return tuple(session.profile(PROFILE_RUNS))

    def measure(self, files: Mapping[str, bytes]) -> Measurement:
        order = job_rng(self.rng, " ".join(files), "order")
        return compare_files(self.runtime, files, self.target, BASELINE, self.protocol, rng=order)

    def record(self, job: Job, measurement: Measurement | None, nodes: Sequence[NodeTime], message: str) -> Record:
        date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return Record(
            job.key, job.origin, self.fingerprint, self.versions, date, job.pieces, measurement, tuple(nodes), message
        )


def job_rng(rng: np.random.Generator, key: str, purpose: str) -> np.random.Generator:
    """Return a generator that depends on the seed of `rng`, the job and the purpose only."""
    seed = rng.bit_generator.seed_seq
    if not isinstance(seed, np.random.SeedSequence):
        raise ValueError(
            "A job's random state comes from a seed: make the generator with numpy.random.default_rng(seed)."
        )
    words = np.frombuffer(hashlib.sha256(f"{key}\0{purpose}".encode()).digest(), dtype=np.uint32)
    return np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *map(int, words))))


def _timings(records: Iterable[Record]) -> Counter[str]:
    """Return how often each job was timed; a timing that is written again for another purpose counts once."""
    seen = {(r.job, r.date, r.measurement and tuple(sorted(r.measurement.windows.items()))) for r in records}
    return Counter(job for job, *_ in seen)


def _check_baseline(held: dict[str, Record], baseline: Job) -> None:
    for record in held.values():
        if record.origin == BASELINE and record.job != baseline.key:
            raise ValueError(
                f"All ratios of a table are to one unpruned network, but this one has {record.job!r} and "
                f"{baseline.key!r} is given: build into another file."
            )


def _as_baseline(baseline: Job) -> Job:
    return Job(baseline.key, baseline.artefact, baseline.pieces, BASELINE)


def _distinct(jobs: Iterable[Job], baseline: Job) -> list[Job]:
    """Return each job once, without the baseline."""
    found: dict[str, Job] = {}
    for job in jobs:
        twin = found.setdefault(job.key, job)
        if dict(twin.pieces) != dict(job.pieces):
            raise ValueError(f"A job's key stands for its structure, but two jobs of key {job.key!r} differ in pieces.")
    found.pop(baseline.key, None)
    return list(found.values())


def _fill(
    bench: _Bench,
    writer: Writer,
    todo: Sequence[Job],
    held: dict[str, Record],
    patience: Patience,
    progress: Progress | None,
) -> None:
    """Measure what is missing; the first of `todo` is the baseline."""
    start = bench.runtime.clock()
    missing = [job for job in todo if not _is_done(job, held, writer, patience.retry_failed)]
    if not missing:
        return
    pace_s, limit_s = 0.0, patience.time_limit_s
    canary = todo[0].artefact()
    done = len(todo) - len(missing)
    for group in _groups(missing):
        begin = bench.runtime.clock()
        contestants = len(group) + (group[0].origin != BASELINE)
        expected_s = begin - start + pace_s * contestants
        if limit_s is not None and group[0].origin != BASELINE and expected_s > limit_s:
            return
        if progress is not None:
            progress(done, len(todo), group[0].key)
        for record in _run(bench, group, canary):
            writer.append(record)
        done += len(group)
        pace_s = max(pace_s, (bench.runtime.clock() - begin) / contestants)


def _groups(jobs: Sequence[Job]) -> list[Sequence[Job]]:
    """Return the jobs as they are timed together: the baseline and finalists alone, others a few at a time."""
    alone = [[job] for job in jobs if job.origin in (BASELINE, "finalist")]
    others = [job for job in jobs if job.origin not in (BASELINE, "finalist")]
    return [*alone, *(others[i : i + TOGETHER] for i in range(0, len(others), TOGETHER))]


def _is_done(job: Job, held: dict[str, Record], writer: Writer, retry_failed: bool) -> bool:
    record = held.get(job.key)
    if record is None or (record.origin == BASELINE) != (job.origin == BASELINE):
        return False
    if record.failed:
        return not retry_failed
    if dict(record.pieces) != dict(job.pieces) or record.origin != job.origin:
        # The timing stands; only what the caller calls its pieces, or wants it for, has changed.
        writer.append(replace(record, pieces=job.pieces, origin=job.origin))
    return True


def _run(bench: _Bench, jobs: Sequence[Job], canary: bytes) -> list[Record]:
    """Profile and time jobs together; what the runtime cannot run becomes a failed record.

    Raises:
        ArtefactError: It cannot run the baseline.
    """
    if jobs[0].origin == BASELINE:
        # Profiled first: a file that takes its process down must not take this one.
        profiled = bench.profile(jobs[0], canary)
        return [bench.record(jobs[0], bench.measure({BASELINE: canary}), profiled, message="")]
    failed: list[Record] = []
    files: dict[str, bytes] = {}
    nodes: dict[str, tuple[NodeTime, ...]] = {}
    for job in jobs:
        try:
            artefact = job.artefact()
            nodes[job.key] = bench.profile(job, artefact)
            files[job.key] = artefact
        except ArtefactError as error:
            failed.append(bench.record(job, None, (), str(error) or type(error).__name__))
    if not files:
        return failed
    ready = [job for job in jobs if job.key in files]
    try:
        measured = bench.measure({**files, BASELINE: canary})
    except ArtefactError as error:
        if len(ready) == 1:
            return [*failed, bench.record(ready[0], None, (), str(error) or type(error).__name__)]
        # One of them cannot be run to the end: alone, each answers for itself.
        return [*failed, *(record for job in ready for record in _run(bench, [job], canary))]
    return failed + [bench.record(job, measured.pair(job.key, SUBNET), nodes[job.key], "") for job in ready]
