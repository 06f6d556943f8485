"""What a study remembers of its trials, and what it answers in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from hwprofiles import check_shape

from ..graph.candidate import Candidate
from .front import pareto_front

Origin = Literal["exact", "uniform", "sampler"]


_ATTRS: Mapping[str, Any] = {
    "candidate": object,
    "latency_s": float,
    "objective?": (float, None),
    "origin": frozenset(get_args(Origin)),
    "repaired": [str],
    "failure?": str,
}


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One finished trial.

    Attributes:
        number: Position among the finished trials, from 0; the same whether or not the study was ever killed.
        candidate: The evaluated network, always inside the budget.
        latency_s: Its predicted seconds.
        objective: Its objective, lower is better; None when the evaluation failed.
        origin: "exact" for a given start, "uniform", or "sampler".
        repaired: Blocks removed beyond the sampler's wish, because the budget was out of reach without.
        failure: Why there is no objective, as a sentence; empty when there is one.
        repeats: Number of the earlier trial with the same candidate, whose outcome was reused; None when new.
    """

    number: int
    candidate: Candidate
    latency_s: float
    objective: float | None
    origin: Origin
    repaired: tuple[str, ...] = ()
    failure: str = ""
    repeats: int | None = None

    def to_attrs(self) -> dict[str, Any]:
        """Return the values that are stored with the trial before its objective is known."""
        return {
            "candidate": self.candidate.to_json(),
            "latency_s": self.latency_s,
            "origin": self.origin,
            "repaired": list(self.repaired),
        }

    @classmethod
    def from_attrs(cls, number: int, attrs: Mapping[str, Any]) -> TrialRecord:
        """Read a stored trial.

        Raises:
            ValueError: It is none.
        """
        check_shape(dict(attrs), _ATTRS, "a trial")
        return cls(
            number,
            Candidate.from_json(attrs["candidate"]),
            attrs["latency_s"],
            attrs.get("objective"),
            attrs["origin"],
            tuple(attrs["repaired"]),
            attrs.get("failure", ""),
        )


@dataclass(frozen=True, slots=True)
class StudyResult:
    """What a study found.

    Attributes:
        best: The trial of least objective, the earliest of equals; None when no evaluation succeeded.
        trials: All finished trials, in order.
        reason: Why there is no best trial, as a sentence; empty when there is one.
    """

    best: TrialRecord | None
    trials: tuple[TrialRecord, ...]
    reason: str = ""

    @property
    def candidate(self) -> Candidate | None:
        """The best candidate."""
        return None if self.best is None else self.best.candidate

    @property
    def objective(self) -> float | None:
        """Objective of the best candidate."""
        return None if self.best is None else self.best.objective

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """Trials that no other one beats in both predicted latency and objective, fastest first."""
        valued = [(trial.latency_s, trial.objective, trial) for trial in self.trials if trial.objective is not None]
        chosen = pareto_front([(seconds, objective) for seconds, objective, _ in valued])
        return tuple(valued[index][2] for index in chosen)


def summarise(trials: Sequence[TrialRecord]) -> StudyResult:
    """Return the result of these finished trials."""
    first: dict[Candidate, int] = {}
    marked = []
    for trial in trials:
        earlier = first.setdefault(trial.candidate, trial.number)
        marked.append(replace(trial, repeats=None if earlier == trial.number else earlier))
    valued = [(trial.objective, trial.number) for trial in marked if trial.objective is not None]
    if valued:
        return StudyResult(marked[min(valued)[1]], tuple(marked))
    last = marked[-1].failure if marked else ""
    return StudyResult(None, tuple(marked), f"None of the {len(marked)} trials gave an objective; the last: {last}")
