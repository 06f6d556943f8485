"""One round of a search: predict, solve, sample, time. Where it aims is said elsewhere (`aiming`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwprofiles import Interval, excerpt
from latency_tables import LatencyTable, NetworkRow, Predictor

from ..bench import SAFETY, Bench, in_seconds, reference_of, structure_digest
from ..bundle import STARTS
from ..errors import ModelError, RunFolderError
from ..folder import Folder
from ..graph import Candidate, full
from ..graph.pieces import pieces
from ..progress import Progress
from ..solve import Solution, least_latency, solve
from ..space import SearchSpace
from ..study import StudySettings, TrialRecord, magnitudes, run_study, sensitivities
from .aiming import Aim, Range
from .context import Context
from .finalist import ENOUGH, Finalist
from .loading import weights_digest

AIM_LEVEL = 0.9
"""Share of the networks at the aim that should be inside the budget."""

SOLVER_LIMIT_S = 60.0

MOST_TIMINGS = 3
"""Timings of one finalist: an unsteady machine may be calm a little later, and one that is not says so."""

Losses = tuple[dict[str, npt.NDArray[np.float64]], dict[str, float]]
"""Dim -> loss at each level, and block -> loss of its removal."""


class Rounds:
    """Searches, one after the other, each ending with a finalist that is timed.

    A pure function of (table, seed): finalists that the table has are not timed again, unless their timing leaves open
    what it was for.

    Args:
        context: What the run is given.
        table: All timings.
        predictor: What they say of others.
    """

    def __init__(self, context: Context, table: LatencyTable, predictor: Predictor) -> None:
        bench, config = context.bench, context.config
        budget_s = in_seconds(config.budget.latency, reference_of(table))
        self._context, self._bench, self._table, self._predictor = context, bench, table, predictor
        self._folder, self._progress = context.folder, context.progress
        self._settings = _settings(context)
        self.space = bench.space(predictor)
        self.within = Range(
            budget_s,
            aim(predictor, budget_s),
            least_latency(self.space).latency_s,
            self.space.latency_of(full(bench.blueprint)),
        )
        self._losses: list[Losses] | None = None
        self._timed: dict[Candidate, Interval] = {}

    def search(self, number: int, aimed: Aim) -> Finalist:
        """Search within an aim, and time the best candidate.

        Raises:
            ModelError: No candidate's outputs were finite, or the runtime cannot run the best one.
        """
        progress = self._progress
        progress.stage("search", f"round {number + 1}")
        solutions = [
            solve(self.space, *loss, aimed.target_s, time_limit_s=SOLVER_LIMIT_S) for loss in self._known_losses()
        ]
        trials = self._settings.trials
        study = run_study(
            self.space,
            aimed.target_s,
            self._context.objective,
            path=self._folder.file(f"study-{number}.log"),
            settings=self._settings,
            starts=_stored_starts(self._folder, f"starts-{number}.json", solutions),
            progress=lambda trial: progress.step(trial.number + 1, trials, _told(trial)),
        )
        if study.candidate is None:
            raise ModelError(f"A search needs a network whose outputs are finite. {study.reason}")
        predicted = estimate(self._bench, self._predictor, study.candidate)
        return Finalist(
            number,
            study.candidate,
            aimed.target_s,
            predicted,
            self._measured(study.candidate),
            study,
            solutions[0],
            aimed.fastest,
        )

    def _measured(self, candidate: Candidate) -> Interval:
        """Return the seconds of a finalist; a round may end with the one of an earlier round."""
        if candidate not in self._timed:
            self._timed[candidate] = _time(self._bench, self._table, candidate, self.within.budget_s, self._progress)
        return self._timed[candidate]

    def _known_losses(self) -> list[Losses]:
        """Return what each choice costs alone, worked out once for all rounds."""
        if self._losses is None:
            measured = sensitivities(
                self.space, self._context.objective, lambda d, t: self._progress.step(d, t, "sensitivity")
            )
            self._losses = [measured, magnitudes(self.space, self._context.scores)]
        return self._losses


def _settings(context: Context) -> StudySettings:
    search = context.config.search
    identity = f"{structure_digest(context.blueprint)}-{weights_digest(context.blueprint)}-{search.calibration}"
    stop = _alarm(search.time_limit_s)
    return StudySettings(search.trials, search.sampler, context.config.run.seed, identity, stop)


def _alarm(limit_s: float | None) -> Callable[[], bool]:
    """Return what tells whether a time limit, counted from now, is over."""
    began = time.monotonic()
    return lambda: limit_s is not None and time.monotonic() - began > limit_s


def aim(predictor: Predictor, budget_s: float) -> float:
    """Return the predicted seconds to stay within, so that nine of ten networks there are inside the budget measured.

    The table's own held-out networks near the budget say how far measured seconds lie from predicted ones.
    """
    return budget_s / predictor.held_out.near(budget_s).quantile(AIM_LEVEL) / (1 + SAFETY)


def _stored_starts(folder: Folder, name: str, solutions: Sequence[Solution]) -> list[Candidate]:
    """Return what the exact solver gave when this round began: stopped by its time limit it may give another answer."""
    found = [solution.candidate.to_json() for solution in solutions if solution.candidate is not None]
    stored = folder.step(name, STARTS, lambda: found)
    try:
        return [Candidate.from_json(item) for item in stored]
    except ValueError as exc:
        raise RunFolderError(
            f"{folder.file(name)} must hold candidates as a run writes them, but reading failed ({excerpt(exc)}): "
            "delete it to go on."
        ) from exc


def _told(trial: TrialRecord) -> str:
    return "failed" if trial.objective is None else f"divergence {trial.objective:.4g}"


def _time(bench: Bench, table: LatencyTable, candidate: Candidate, budget_s: float, progress: Progress) -> Interval:
    """Return the seconds of a candidate, timed now unless the table has it, and again while they leave all open."""
    row = bench.row(table, candidate)
    times = 1 if row is None else 2
    while row is None or (_is_open(row, budget_s) and times <= MOST_TIMINGS):
        progress.stage("finalist", "timed on the target" if times == 1 else "timed again: it was too unsteady to tell")
        row = bench.row(bench.fill([candidate], origin="finalist", times=times), candidate)
        if row is None:
            raise ModelError(
                f"The runtime must run what is searched, but it could not run finalist {candidate.digest}."
            )
        times += 1
    return row.seconds


def _is_open(row: NetworkRow, budget_s: float) -> bool:
    """Tell whether a timing leaves open on which side of the budget a network is, though a longer one might tell."""
    low, high = row.seconds.low, row.seconds.high
    return low <= budget_s < high and (bool(row.judgement) or high - low > 2 * ENOUGH * row.seconds.median)


def estimate(bench: Bench, predictor: Predictor, candidate: Candidate) -> dict[str, Any]:
    """Return the predicted seconds of a candidate as reports hold them."""
    found = predictor.estimate(list(pieces(bench.blueprint, candidate).values()))
    return {"estimate": found.seconds, "low": found.low, "high": found.high, "origin": found.origin}


def holds_up(space: SearchSpace, least: Solution) -> list[dict[str, Any]]:
    """Return what the least reachable latency is made of, the largest first."""
    rows: list[dict[str, Any]] = []
    for piece in space.pieces:
        if not set(piece.blocks) & least.removed:
            row = 0 if piece.row is None else least.levels.get(piece.row, 0)
            column = 0 if piece.column is None else least.levels.get(piece.column, 0)
            rows.append({"what": piece.name, "seconds": float(piece.seconds[row, column])})
    if space.fixed_s:
        rows.append({"what": "fixed cost of a run", "seconds": space.fixed_s})
    # Cells add up to the sum that the latency is bent from; each piece's part of it stays.
    total = sum(row["seconds"] for row in rows)
    bent = float(space.bend.seconds(total)) / total if total else 1.0
    rows = [{**row, "seconds": row["seconds"] * bent} for row in rows]
    return sorted(rows, key=lambda item: -item["seconds"])
