"""Search until a finalist is inside the budget on the clock: predict, solve, sample, time, correct."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwprofiles import Interval, Quantity
from latency_tables import LatencyTable, Predictor

from ..errors import ModelError
from ..graph import Candidate
from ..graph.keys import units
from ..importance import Scores
from ..space import SearchSpace
from .bench import SAFETY, Bench, in_seconds, reference_of
from .exact import Solution, least_latency, solve
from .folder import RunFolder
from .objective import Objective, magnitudes, sensitivities
from .progress import Progress
from .records import StudyResult, TrialRecord
from .stored import STARTS
from .study import run_study

MOST_ROUNDS = 6
"""Searches in one run; each after the first aims lower by what the finalist before it missed, the last as low as can
be, so that "infeasible" is only said of a budget that the fastest network was timed against."""

AIM_LEVEL = 0.9
"""Share of the networks at the aim that should be inside the budget."""

SOLVER_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Finalist:
    """The best candidate of one round, and what the clock says of it.

    Attributes:
        round: Number of the search, from 0.
        candidate: The network.
        target_s: Predicted seconds that the search had to stay within.
        predicted: Estimate, with interval, as JSON holds it.
        measured: Its seconds at the reference speed.
        study: All trials of the round.
        exact: The additive surrogate's optimum at this target.
        fastest: Whether the search had to stay within the least reachable latency, so that nothing faster is left.
    """

    round: int
    candidate: Candidate
    target_s: float
    predicted: Mapping[str, float]
    measured: Interval
    study: StudyResult
    exact: Solution
    fastest: bool = False

    def is_inside(self, budget_s: float) -> bool:
        """Tell whether the upper end of the measured interval is within the budget."""
        return self.measured.high <= budget_s

    def is_worth_proving(self, budget_s: float) -> bool:
        """Tell whether to go on with it: the fastest network there is has the benefit of the doubt."""
        return self.is_inside(budget_s) or (self.fastest and self.measured.low <= budget_s)


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What the config says of the search."""

    trials: int
    sampler: str
    seed: int
    identity: str
    stop: Callable[[], bool]


def rounds(
    bench: Bench,
    table: LatencyTable,
    predictor: Predictor,
    objective: Objective,
    scores: Scores,
    budget: Quantity,
    settings: SearchSettings,
    folder: RunFolder,
    progress: Progress,
) -> Iterator[Finalist]:
    """Yield one finalist a round; whoever asks for the next one says that this one is over the budget.

    A pure function of (table, seed): finalists that the table has are not timed again.
    """
    reference = reference_of(table)
    budget_s = in_seconds(budget, reference)
    space = bench.space(predictor)
    target_s = aim(predictor, budget_s)
    least_s = least_latency(space).latency_s
    losses = None
    for number in range(MOST_ROUNDS):
        fastest = target_s <= least_s or number == MOST_ROUNDS - 1
        if fastest:
            target_s = least_s
        progress.stage("search", f"round {number + 1}")
        if losses is None:
            losses = [sensitivities(space, objective, lambda d, t: progress.step(d, t, "sensitivity"))]
            losses.append(magnitudes(space, scores))
        solutions = [solve(space, *loss, target_s, time_limit_s=SOLVER_LIMIT_S) for loss in losses]
        starts = _stored_starts(folder, f"starts-{number}.json", solutions)
        study = run_study(
            space,
            target_s,
            objective,
            path=folder.file(f"study-{number}.log"),
            trials=settings.trials,
            sampler=settings.sampler,
            seed=settings.seed,
            starts=starts,
            progress=lambda trial: progress.step(trial.number + 1, settings.trials, _told(trial)),
            stop=settings.stop,
            identity=settings.identity,
        )
        if study.candidate is None:
            raise ModelError(f"A search needs a network whose outputs are finite. {study.reason}")
        measured = _time(bench, table, study.candidate, progress)
        predicted = estimate(bench, predictor, study.candidate)
        yield Finalist(number, study.candidate, target_s, predicted, measured, study, solutions[0], fastest)
        if fastest:
            return
        # The prediction, not only the target, is what was too low: widths are stairs, and a target that is a little
        # lower may be met by the very same network.
        target_s = min(target_s, predicted["estimate"]) * min(budget_s / measured.high, 1.0) * (1 - SAFETY / 2)


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
    return [Candidate.from_json(item) for item in stored]


def _told(trial: TrialRecord) -> str:
    return "failed" if trial.objective is None else f"divergence {trial.objective:.4g}"


def _time(bench: Bench, table: LatencyTable, candidate: Candidate, progress: Progress) -> Interval:
    """Return the seconds of a candidate, timed now unless the table has it."""
    row = bench.row(table, candidate)
    if row is None:
        progress.stage("finalist", "timed on the target")
        row = bench.row(bench.fill([candidate], origin="finalist"), candidate)
    if row is None:
        raise ModelError(f"The runtime must run what is searched, but it could not run finalist {candidate.digest}.")
    return row.seconds


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
