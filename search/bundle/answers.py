"""What a report answers: for each target and each limit, and in all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..deploy import Verdict
from .document import only_known

LATENCY = "latency"
"""Name of the limit that a budget of time sets."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the ends of its interval, where they are known."""

    median: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted seconds.

    Attributes:
        estimate: Of the table.
        low: Lower end of its interval.
        high: Upper end.
        origin: What the table predicted from.
    """

    estimate: float
    low: float | None = None
    high: float | None = None
    origin: str | None = only_known()


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of one run of both networks; None for one that was not timed."""

    baseline: Spread | None = None
    subnet: Spread | None = None


@dataclass(frozen=True, slots=True)
class Sizes:
    """A count for both networks: of parameters, or of bytes."""

    baseline: int | None = None
    subnet: int | None = None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The task's metric for both networks, through what the target runs.

    Attributes:
        name: Of the metric.
        baseline: As a fraction.
        subnet: As a fraction.
        n: Held-out examples that it was computed on.
    """

    name: str | None = None
    baseline: float | None = None
    subnet: float | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What was to be met.

    Attributes:
        text: As the user would write it.
        kind: Seconds, or a fraction of the unpruned network's.
        value: In seconds, or as a fraction.
    """

    text: str | None = None
    kind: Literal["time", "fraction"] | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    """What was found on one target.

    Attributes:
        verdict: On this target.
        target: Its slug.
        host: The machine that timed it; None where the run itself did.
        budget_s: Seconds that were allowed.
        latency_s: Seconds of both networks.
        ratio: Subnet's to unpruned network's time, paired.
        predicted_s: What the table had predicted for the subnet.
    """

    verdict: Verdict
    target: str | None = None
    host: str | None = None
    budget_s: float | None = None
    latency_s: Latency = field(default_factory=Latency)
    ratio: Spread | None = None
    predicted_s: Prediction | None = None


@dataclass(frozen=True, slots=True)
class LimitAnswer:
    """How one limit was kept.

    Attributes:
        name: What is limited.
        verdict: On this limit.
        most: What was allowed, in the unit of the values beside it.
        baseline: The unpruned network's value.
        subnet: The subnet's.
    """

    name: str
    verdict: Verdict
    most: float | None = None
    baseline: float | None = None
    subnet: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Seconds of a part of the fastest network."""

    what: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """What can be reached where the budget cannot.

    Attributes:
        least_latency_s: Seconds of the fastest network.
        least_interval_s: With its interval, where it was timed.
        holds_up: What its time is made of, the largest first.
        nearest_budget: One that can be met, as one would write it.
    """

    least_latency_s: float | None = None
    least_interval_s: Spread | None = None
    holds_up: tuple[Part, ...] = ()
    nearest_budget: str | None = None


def latency_limit(answer: TargetAnswer) -> LimitAnswer:
    """Return the limit on latency that a target's answer is about: medians, though upper ends of intervals decide."""
    before, after = answer.latency_s.baseline, answer.latency_s.subnet
    return LimitAnswer(
        LATENCY,
        answer.verdict,
        answer.budget_s,
        None if before is None else before.median,
        None if after is None else after.median,
    )
