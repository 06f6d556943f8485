"""Fill a table within a time limit: networks that cover all cells, and some that hold its predictions to account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwprofiles import format_seconds
from latency_tables import LatencyTable, Origin, Predictor, SparseTableError

from ...bench import Bench, reference_of
from ...graph import Candidate, full
from ...progress import Progress

NETWORKS = 320
"""Networks of a table, at most, unless the user says otherwise."""

FIRST = 40
"""Networks that cover cells before any is held out: with less a table predicts nothing."""

HELD_OUT = 24
"""Networks, one in `SHARE` at most, that test the predictions before they teach, too; their widths are any on offer.
Of few networks none: each is predicted from the others."""

SHARE = 5

FIT_SHARE = 0.05
"""Of the time limit: what is left for fitting and testing the predictor at the end."""


@dataclass(frozen=True)
class Measured:
    """A filled table and what it can say.

    Attributes:
        bench: The network on its target.
        table: All rows.
        predictor: Fitted to all rows.
        planned: Networks that were to be timed.
        timed: Those of them that the table has, failed ones included.
        seconds: Time since the limit began to run, by the runtime's clock.
    """

    bench: Bench
    table: LatencyTable
    predictor: Predictor
    planned: int
    timed: int
    seconds: float

    @property
    def untimed(self) -> int:
        """Networks that the time limit left out."""
        return self.planned - self.timed


class _Deadline:
    """Time that is left of a limit before the fit, by the runtime's clock."""

    def __init__(self, clock: Callable[[], float], began: float, limit_s: float) -> None:
        self._clock, self._began, self._limit_s = clock, began, limit_s

    @property
    def spent_s(self) -> float:
        return self._clock() - self._began

    @property
    def left_s(self) -> float:
        return max(0.0, (1 - FIT_SHARE) * self._limit_s - self.spent_s)


def measure(
    bench: Bench,
    *,
    time_limit_s: float,
    began: float | None = None,
    networks: int = NETWORKS,
    allow_foreign: bool = False,
    progress: Progress,
) -> Measured:
    """Time what the table lacks, as far as the time goes, and fit the predictor.

    At least the unpruned network and one more are timed, so that repeating the call gets on.

    Args:
        bench: The network on its target.
        time_limit_s: For everything since `began`.
        began: When the limit began to run, by the runtime's clock; now, where left out.
        networks: To time, at most.
        allow_foreign: Whether to go on with another machine's table.
        progress: Told what is done.

    Raises:
        SparseTableError: Too few networks were timed to predict anything.
        ModelError: The table has no timing of the unpruned network.
    """
    deadline = _Deadline(bench.runtime.clock, bench.runtime.clock() if began is None else began, time_limit_s)
    fill = _filler(bench, deadline, allow_foreign, progress)
    networks = bench.affordable(networks)
    held_out = 0 if bench.few else min(HELD_OUT, networks // SHARE)
    design = bench.design(max(1, networks - held_out))
    tests = [candidate for candidate in bench.unseen(held_out) if candidate not in set(design)]
    table = fill(design[:FIRST], "level", f"{len(design[:FIRST])} networks that cover the layers")
    reference_of(table)
    if tests:
        table = fill(tests, "holdout", f"{len(tests)} networks that test the predictions")
    if design[FIRST:]:
        table = fill(design[FIRST:], "level", f"{len(design[FIRST:])} more networks that cover the layers")
    # The unpruned network is timed in any case; a design may hold it.
    planned = [candidate for candidate in (*design, *tests) if candidate != full(bench.blueprint)]
    missing = _untimed(bench, table, planned)
    progress.stage("table", "fit and test the predictor")
    predictor = _fit(bench, table, len(missing), time_limit_s)
    timed = len(planned) - len(missing)
    return Measured(bench, table, predictor, len(planned), timed, deadline.spent_s)


def _filler(
    bench: Bench, deadline: _Deadline, allow_foreign: bool, progress: Progress
) -> Callable[[list[Candidate], Origin, str], LatencyTable]:
    def fill(candidates: list[Candidate], origin: Origin, detail: str) -> LatencyTable:
        progress.stage("table", detail)
        began, first = bench.runtime.clock(), [-1]

        def step(done: int, total: int, job: str) -> None:
            if first[0] < 0:
                first[0] = done
            mine = done - first[0]
            left = deadline.left_s
            if mine:
                left = min(left, (bench.runtime.clock() - began) / mine * (total - done))
            progress.step(done, total, f"{format_seconds(left, 2)} left")

        return bench.fill(
            candidates, origin=origin, progress=step, time_limit_s=deadline.left_s, allow_foreign=allow_foreign
        )

    return fill


def _untimed(bench: Bench, table: LatencyTable, candidates: list[Candidate]) -> list[Candidate]:
    """Return the candidates that the table has neither a row nor a failure of."""
    known = {row.job for row in table.rows} | set(table.failed)
    suffixes = {job.rpartition("-")[2] for job in known}
    return [candidate for candidate in candidates if candidate.digest not in suffixes]


def _fit(bench: Bench, table: LatencyTable, untimed: int, limit_s: float) -> Predictor:
    try:
        return Predictor.fit(table, quantum=bench.quantum, rng=np.random.default_rng(bench.seed))
    except SparseTableError as exc:
        remedy = (
            f"{untimed} networks were not timed within {format_seconds(limit_s)}. What was timed is kept and the same "
            "command goes on from there; a longer `--time-limit` does more at once."
            if untimed
            else "The network has too few widths and blocks to choose from: free more of it."
        )
        failed = (
            f" {len(table.failed)} networks could not be run: {next(iter(table.failed.values()))}"
            if table.failed
            else ""
        )
        raise SparseTableError(f"{exc} {remedy}{failed}") from exc
