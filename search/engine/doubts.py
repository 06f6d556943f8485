"""What to warn of beside an answer that was timed: a bad table, a changed machine, little training, budget unused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwprofiles import Interval, format_percent, format_seconds
from latency_tables import Predictor

from ..bundle import Spread
from .aiming import USED
from .finalist import Finalist

ROUGH_TABLE = 0.10
"""Mean error of a table near the budget above which a report warns."""

FEW_STEPS = 50
"""Steps of a fine-tuning below which it is said how many there were."""


def rough(predictor: Predictor, budget_s: float) -> list[str]:
    """Warn when the table predicts badly where it was used, as it does when other work ran while it was built."""
    near = predictor.held_out.near(budget_s)
    if near.mape <= ROUGH_TABLE:
        return []
    return [
        f"The latency table errs by {format_percent(near.mape)} on unseen networks near the budget, so the search was "
        "led badly, though the answer was timed. Give the machine to the run alone, and begin again in a new folder."
    ]


def few(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Warn when the network was hardly trained."""
    steps = sum(int(epoch["steps"]) for epoch in history)
    if steps >= FEW_STEPS:
        return []
    return [
        f"The fine-tuning took {steps} steps in all, which is little for a network that was cut: more `epochs`, or a "
        "smaller `batch_size`, may raise its score."
    ]


def unused(finalist: Finalist, budget_s: float) -> list[str]:
    """Say when the answer leaves some of its budget unused: no better network was found between."""
    if finalist.measured.high >= USED * budget_s:
        return []
    return [
        f"The answer uses {format_percent(finalist.measured.high / budget_s)} of the budget: of the networks that were "
        "timed, none inside it was found to lose less."
    ]


def drift(then: Spread | None, now: Interval | None) -> list[str]:
    """Warn when the unpruned network's speed has left the interval that the table recorded."""
    if now is None or then is None or then.low is None or then.high is None:
        return []
    if now.low <= then.high and then.low <= now.high:
        return []
    return [
        f"The machine's speed has changed since the table was built: the unpruned network took "
        f"{format_seconds(then.median)} then and {format_seconds(now.median)} now. Ratios move less, but those of "
        "small networks by up to a tenth and more, so the table may have led the search badly, though the answer was "
        "timed. Where predicted and measured are far apart, begin again in a new folder."
    ]
