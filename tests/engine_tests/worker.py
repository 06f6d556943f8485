"""One small study, run in a process that can be killed: `python -m tests.engine_tests.worker JOURNAL`."""

from __future__ import annotations

import sys
from pathlib import Path

from search.graph import Candidate
from search.solve import solve
from search.space import SearchSpace
from search.study import StudyResult, StudySettings, run_study

from .spaces import random_space

TRIALS = 16


def worker_space() -> SearchSpace:
    return random_space(2, dims=6, blocks=2, units=14, most_levels=12, stairs=False)


def worker_budget(space: SearchSpace) -> float:
    full = space.latency({dim: n - 1 for dim, n in zip(space.dims, space.n_levels, strict=True)})
    return space.latency_of(space.smallest()) * 0.7 + full * 0.3


def objective_of(candidate: Candidate) -> float:
    """An objective without sense or order, the same in every process; every ninth network fails."""
    number = int(candidate.digest[:8], 16)
    return float("nan") if number % 9 == 0 else number / 2**32


def starts_of(space: SearchSpace, budget_s: float) -> list[Candidate]:
    value = {knob.dim: [1 - width / knob.full for width in knob.levels] for knob in space.widths}
    block_loss = dict.fromkeys(space.block_names, 0.7)
    solved = solve(space, value, block_loss, budget_s, time_limit_s=60).candidate  # type: ignore[arg-type]
    assert solved is not None
    return [solved, space.smallest()]


def work(path: Path, trials: int = TRIALS, sampler: str = "tpe") -> StudyResult:
    space = worker_space()
    budget = worker_budget(space)
    starts = starts_of(space, budget)
    settings = StudySettings(trials, sampler, 3, "worker")
    return run_study(space, budget, objective_of, path=path, settings=settings, starts=starts)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
