"""The study: an ask-and-tell loop over what is not additive, in a journal that survives a kill at any moment.

A study is a pure function of its identity: trial `n` is asked with a sampler seeded by (seed, n), `n` being the count
of trials that were told an outcome, and sees only those. So whatever a killed process left unfinished is marked failed
and asked again, and the continued study is the undisturbed one.

Blocks whose choice leaves no network inside the budget are repaired, by a rule without chance: of the kept blocks, the
one that costs the most seconds in the fastest network of the present choice is removed (the first of equals), until
the budget can be reached. Removing never makes a network slower, so this ends. The repair is kept in the record.

Format history of the journal's identity: 1 (2026-11): identity, space, budget_s, seed, sampler, starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import Trial, TrialState

from ..graph.candidate import Candidate
from ..solve import Proposal, propose
from ..space import SearchSpace
from .errors import StudyMismatchError
from .journal import open_journal, reading
from .records import Origin, StudyResult, TrialRecord, summarise
from .samplers import make_sampler

STUDY_NAME = "lathe"
IDENTITY_FORMAT = 1
LEAST_PROPORTION = 0.05
TOLD = (TrialState.COMPLETE, TrialState.PRUNED)

Evaluate = Callable[[Candidate], float]
Progress = Callable[[TrialRecord], None]
Outcome = tuple[float | None, str]


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class StudySettings:
    """How many trials a study has, and how they come about.

    Attributes:
        trials: Finished trials in the end, those of the journal, the starts and repeats included.
        sampler: Name in `SAMPLERS`.
        seed: Seed of the sampler.
        identity: Names everything else that the objective depends on, such as hashes of the network and its data.
        stop: Asked before each trial but the first; True ends the study with what it has.
    """

    trials: int
    sampler: str
    seed: int
    identity: str
    stop: Callable[[], bool] = _never


def run_study(
    space: SearchSpace,
    budget_s: float,
    evaluate: Evaluate,
    *,
    path: Path,
    settings: StudySettings,
    starts: Sequence[Candidate] = (),
    progress: Progress | None = None,
) -> StudyResult:
    """Search the space for the candidate of least objective inside the budget, starting or continuing a journal.

    First the starts are evaluated, then the uniform candidate (all proportions equal, every block kept where the
    budget allows it), then what the sampler proposes. A candidate that was evaluated before is not evaluated again.

    Args:
        space: What is on offer.
        budget_s: Most predicted seconds; no trial is over it.
        evaluate: Candidate -> objective, lower is better. A value that is not finite is a failed trial, never best.
        path: Journal file.
        settings: How many trials, and how they come about.
        starts: Candidates to evaluate first, inside the budget; repeated ones count once.
        progress: Called with each trial that this call finishes.

    Returns:
        The result; without a best trial, and without any trial, when the budget cannot be reached.

    Raises:
        ValueError: A start is not in the space or is over the budget, or another argument is out of range.
        StudyError: The journal is busy, corrupt or of another study.
    """
    _check_arguments(space, budget_s, settings, starts)
    make_sampler(settings.sampler, settings.seed)
    least_s = space.latency_of(space.smallest())
    if least_s > budget_s:
        return StudyResult(
            None, (), f"The least reachable latency is {least_s:.6g} s, over the budget of {budget_s:.6g} s."
        )
    queue = _queue(space, budget_s, starts)
    marks = _marks(space, budget_s, settings, queue)
    with _quiet(), open_journal(path) as storage:
        with reading(path):
            study = _open_study(storage)
            _check_identity(study, marks, path)
            _drop_unfinished(study)
            run = _Run(study, space, budget_s, evaluate, queue, _known_outcomes(study))
            _records(study)
        for number in range(len(_told(study)), settings.trials):
            if number and settings.stop():
                break
            study.sampler = make_sampler(settings.sampler, _mixed(settings.seed, number))
            record = run.step(number)
            if progress is not None:
                progress(record)
        return summarise(_records(study))


def _marks(
    space: SearchSpace, budget_s: float, settings: StudySettings, queue: Sequence[tuple[Candidate, Origin, object]]
) -> dict[str, Any]:
    """Return what a journal says of the study that it belongs to."""
    return {
        "format": IDENTITY_FORMAT,
        "identity": settings.identity,
        "space": space.digest,
        "budget_s": budget_s,
        "seed": settings.seed,
        "sampler": settings.sampler,
        "starts": [start.digest for start, origin, _ in queue if origin == "exact"],
    }


def _check_arguments(space: SearchSpace, budget_s: float, settings: StudySettings, starts: Sequence[Candidate]) -> None:
    trials, seed = settings.trials, settings.seed
    if not (isfinite(budget_s) and budget_s > 0):
        raise ValueError(f"A budget is a finite number of seconds over 0, but got {budget_s}.")
    if trials < 1 or seed < 0:
        raise ValueError(f"A study needs at least one trial and a seed of 0 or more, but got {trials=} and {seed=}.")
    for start in starts:
        seconds = space.latency_of(start)
        if seconds > budget_s:
            raise ValueError(
                f"A start must be inside the budget of {budget_s:.6g} s, but one is predicted at {seconds:.6g} s: "
                "solve for the present budget and latency table."
            )


def _queue(
    space: SearchSpace, budget_s: float, starts: Sequence[Candidate]
) -> list[tuple[Candidate, Origin, tuple[str, ...]]]:
    """Return the candidates that come before the sampler's: the starts, each once, and the uniform one in any case."""
    queue: list[tuple[Candidate, Origin, tuple[str, ...]]] = [(start, "exact", ()) for start in dict.fromkeys(starts)]
    uniform, repaired = propose_repaired(space, dict.fromkeys(space.dims, 1.0), frozenset(), budget_s)
    if uniform.candidate is not None:
        queue.append((uniform.candidate, "uniform", repaired))
    return queue


def propose_repaired(
    space: SearchSpace, proportions: dict[str, float], removed: frozenset[str], budget_s: float
) -> tuple[Proposal, tuple[str, ...]]:
    """Propose a candidate, removing further blocks where these leave none; see the module for the rule.

    Returns:
        The proposal and the blocks that were removed in addition, in order. There is a candidate unless the budget
        is out of reach of the whole space.
    """
    added: list[str] = []
    while True:
        gone = removed.union(added)
        proposal = propose(space, proportions, gone, budget_s)
        kept = [name for name in space.block_names if name not in gone]
        if proposal.candidate is not None or not kept:
            return proposal, tuple(added)
        levels, _ = space.levels_of(space.smallest(gone))
        shown = {name: {dim: levels[dim] for dim in levels if dim not in space.hidden({*gone, name})} for name in kept}
        added.append(min(kept, key=lambda name: space.latency(shown[name], {*gone, name})))


def proportions_of(space: SearchSpace, candidate: Candidate) -> dict[str, float]:
    """Return what a sampler would have said for a candidate: widths over full sizes, hidden dims at their mean."""
    shares = {knob.dim: candidate.dims[knob.dim] / knob.full for knob in space.widths if knob.dim in candidate.dims}
    mean = float(np.mean(list(shares.values()))) if shares else 1.0
    return {dim: min(max(shares.get(dim, mean), LEAST_PROPORTION), 1.0) for dim in space.dims}


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """The loop's working state.

    Attributes:
        known: Candidate -> outcome of its evaluation.
    """

    study: optuna.Study
    space: SearchSpace
    budget_s: float
    evaluate: Evaluate
    queue: list[tuple[Candidate, Origin, tuple[str, ...]]]
    known: dict[Candidate, Outcome]

    def step(self, number: int) -> TrialRecord:
        """Ask, evaluate and tell one trial; the telling is what makes it count."""
        if number < len(self.queue):
            trial, record = self._ask_queued(number)
        else:
            trial, record = self._ask_sampler(number)
        for key, stored in record.to_attrs().items():
            trial.set_user_attr(key, stored)
        trial.set_constraint("latency", record.latency_s / self.budget_s - 1.0)
        if record.candidate not in self.known:
            self.known[record.candidate] = _judged(float(self.evaluate(record.candidate)))
        objective, failure = self.known[record.candidate]
        trial.set_user_attr("failure", failure)
        trial.set_user_attr("objective", objective)
        if objective is None:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, objective)
        return TrialRecord.from_attrs(number, trial.user_attrs)

    def _ask_queued(self, number: int) -> tuple[Trial, TrialRecord]:
        candidate, origin, repaired = self.queue[number]
        kept = {name: int(name not in candidate.removed) for name in self.space.block_names}
        # The proportions are for the sampler to learn from; the candidate itself is what is evaluated.
        self.study.enqueue_trial(
            {**proportions_of(self.space, candidate), **kept}, user_attrs={"candidate": candidate.to_json()}
        )
        trial = self.study.ask()
        self._suggest(trial)
        return trial, TrialRecord(number, candidate, self.space.latency_of(candidate), None, origin, repaired)

    def _ask_sampler(self, number: int) -> tuple[Trial, TrialRecord]:
        trial = self.study.ask()
        proportions, removed = self._suggest(trial)
        proposal, repaired = propose_repaired(self.space, proportions, removed, self.budget_s)
        if proposal.candidate is None:
            raise AssertionError("A reachable budget was checked before the loop, so a repair always ends inside it.")
        return trial, TrialRecord(number, proposal.candidate, proposal.latency_s, None, "sampler", repaired)

    def _suggest(self, trial: Trial) -> tuple[dict[str, float], frozenset[str]]:
        proportions = {dim: trial.suggest_float(dim, LEAST_PROPORTION, 1.0) for dim in self.space.dims}
        # An integer, not a category: every sampler can relate it to the other knobs.
        kept = {name: trial.suggest_int(name, 0, 1) for name in self.space.block_names}
        return proportions, frozenset(name for name, flag in kept.items() if not flag)


def _open_study(storage: optuna.storages.BaseStorage) -> optuna.Study:
    # Optuna's own `load_if_exists` appends to the journal even where the study exists.
    if STUDY_NAME in optuna.get_all_study_names(storage):
        return optuna.load_study(study_name=STUDY_NAME, storage=storage)
    return optuna.create_study(storage=storage, study_name=STUDY_NAME, direction="minimize")


def _judged(value: float) -> Outcome:
    if isfinite(value):
        return value, ""
    return None, f"An objective must be finite, but the evaluation gave {value}."


def _mixed(seed: int, number: int) -> int:
    """Return a seed for one trial; mixed, so that neighbouring studies do not share theirs."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _told(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=TOLD)


def _records(study: optuna.Study) -> list[TrialRecord]:
    return [TrialRecord.from_attrs(number, trial.user_attrs) for number, trial in enumerate(_told(study))]


def _known_outcomes(study: optuna.Study) -> dict[Candidate, Outcome]:
    """Return every stored outcome, also of trials that a kill kept from being told."""
    return {
        Candidate.from_json(trial.user_attrs["candidate"]): (trial.user_attrs["objective"], trial.user_attrs["failure"])
        for trial in study.get_trials(deepcopy=False)
        if "objective" in trial.user_attrs
    }


def _check_identity(study: optuna.Study, marks: dict[str, Any], path: Path) -> None:
    stored = study.user_attrs.get("identity")
    if stored is None and not study.get_trials(deepcopy=False):
        study.set_user_attr("identity", marks)
        return
    there = stored or {}
    differs = {key: (there.get(key), marks.get(key)) for key in {**there, **marks} if there.get(key) != marks.get(key)}
    if differs:
        raise StudyMismatchError(path, differs)


def _drop_unfinished(study: optuna.Study) -> None:
    """Mark as failed what a killed process left; their places are asked anew."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    # A waiting trial cannot be told; asking takes it out of the queue.
    for _ in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.tell(study.ask(), state=TrialState.FAIL)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's own reports of each trial away: progress is ours to show."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
