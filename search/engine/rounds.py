"""One round of a search: predict, solve, sample, time. Where it aims is said elsewhere (`aiming`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwprofiles import Interval, excerpt
from latency_tables import LatencyTable, NetworkRow, Predictor

from ..errors import ModelError, RunFolderError
from ..graph import Candidate, full
from ..graph.keys import units
from ..importance import Scores
from ..space import SearchSpace
from .aiming import Aim, Range
from .bench import SAFETY, Bench
from .exact import Solution, least_latency, solve
from .finalist import ENOUGH, Finalist
from .folder import RunFolder
from .objective import Objective, magnitudes, sensitivities
from .progress import Progress
from .records import TrialRecord
from .stored import STARTS
from .study import run_study

AIM_LEVEL = 0.9
"""Share of the networks at the aim that should be inside the budget."""

SOLVER_LIMIT_S = 60.0

MOST_TIMINGS = 3
"""Timings of one finalist: an unsteady machine may be calm a little later, and one that is not says so."""

Losses = tuple[dict[str, npt.NDArray[np.float64]], dict[str, float]]
"""Dim -> loss at each level, and block -> loss of its removal."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What the config says of the search."""

    trials: int
    sampler: str
    seed: int
    identity: str
    stop: Callable[[], bool]


class Rounds:
    """Searches, one after the other, each ending with a finalist that is timed.

    A pure function of (table, seed): finalists that the table has are not timed again, unless their timing leaves open
    what it was for.

    Args:
        bench: The network on its target.
        table: All timings.
        predictor: What they say of others.
        objective: Scores candidates.
        scores: Importance of each unit.
        budget_s: What must be met, in seconds at the reference speed.
        settings: What the config says of the search.
        folder: Keeps the studies and where they began.
    """

    def __init__(
        self,
        bench: Bench,
        table: LatencyTable,
        predictor: Predictor,
        objective: Objective,
        scores: Scores,
        budget_s: float,
        settings: SearchSettings,
        folder: RunFolder,
    ) -> None:
        self._bench, self._table, self._predictor = bench, table, predictor
        self._objective, self._scores = objective, scores
        self._settings, self._folder = settings, folder
        self.space = bench.space(predictor)
        self.within = Range(
            budget_s,
            aim(predictor, budget_s),
            least_latency(self.space).latency_s,
            self.space.latency_of(full(bench.blueprint)),
        )
        self._losses: list[Losses] | None = None
        self._timed: dict[Candidate, Interval] = {}

    def search(self, number: int, aimed: Aim, progress: Progress) -> Finalist:
        """Search within an aim, and time the best candidate.

        Raises:
            ModelError: No candidate's outputs were finite, or the runtime cannot run the best one.
        """
        progress.stage("search", f"round {number + 1}")
        solutions = [
            solve(self.space, *loss, aimed.target_s, time_limit_s=SOLVER_LIMIT_S)
            for loss in self._known_losses(progress)
        ]
        trials = self._settings.trials
        study = run_study(
            self.space,
            aimed.target_s,
            self._objective,
            path=self._folder.file(f"study-{number}.log"),
            trials=trials,
            sampler=self._settings.sampler,
            seed=self._settings.seed,
            starts=_stored_starts(self._folder, f"starts-{number}.json", solutions),
            progress=lambda trial: progress.step(trial.number + 1, trials, _told(trial)),
            stop=self._settings.stop,
            identity=self._settings.identity,
        )
        if study.candidate is None:
            raise ModelError(f"A search needs a network whose outputs are finite. {study.reason}")
        predicted = estimate(self._bench, self._predictor, study.candidate)
        return Finalist(
            number,
            study.candidate,
            aimed.target_s,
            predicted,
            self._measured(study.candidate, progress),
            study,
            solutions[0],
            aimed.fastest,
        )

    def _measured(self, candidate: Candidate, progress: Progress) -> Interval:
        """Return the seconds of a finalist; a round may end with the one of an earlier round."""
        if candidate not in self._timed:
            self._timed[candidate] = _time(self._bench, self._table, candidate, self.within.budget_s, progress)
        return self._timed[candidate]

    def _known_losses(self, progress: Progress) -> list[Losses]:
        """Return what each choice costs alone, worked out once for all rounds."""
        if self._losses is None:
            measured = sensitivities(self.space, self._objective, lambda d, t: progress.step(d, t, "sensitivity"))
            self._losses = [measured, magnitudes(self.space, self._scores)]
        return self._losses


def aim(predictor: Predictor, budget_s: float) -> float:
    """Return the predicted seconds to stay within, so that nine of ten networks there are inside the budget measured.

    The table's own held-out networks near the budget say how far measured seconds lie from predicted ones.
    """
    return budget_s / predictor.held_out.near(budget_s).quantile(AIM_LEVEL) / (1 + SAFETY)


def _stored_starts(folder: RunFolder, name: str, solutions: Sequence[Solution]) -> list[Candidate]:
    """Return what the exact solver gave when this round began: stopped by its time limit it may give another answer."""
    stored = folder.read_json(name, STARTS)
    if stored is None:
        stored = [solution.candidate.to_json() for solution in solutions if solution.candidate is not None]
        folder.write_json(name, stored)
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
    found = predictor.estimate(list(units(bench.blueprint, candidate).values()))
    return {"estimate": found.seconds, "low": found.low, "high": found.high, "origin": found.origin}


def holds_up(space: SearchSpace, least: Solution) -> list[dict[str, Any]]:
    """Return what the least reachable latency is made of, the largest first."""
    rows: list[dict[str, Any]] = []
    for unit in space.units:
        if not set(unit.blocks) & least.removed:
            row = 0 if unit.row is None else least.levels.get(unit.row, 0)
            column = 0 if unit.column is None else least.levels.get(unit.column, 0)
            rows.append({"what": unit.name, "seconds": float(unit.seconds[row, column])})
    if space.fixed_s:
        rows.append({"what": "fixed cost of a run", "seconds": space.fixed_s})
    # Cells add up to the sum that the latency is bent from; each unit's part of it stays.
    total = sum(row["seconds"] for row in rows)
    bent = float(space.bend.seconds(total)) / total if total else 1.0
    rows = [{**row, "seconds": row["seconds"] * bent} for row in rows]
    return sorted(rows, key=lambda item: -item["seconds"])
