"""The verdicts: what each is called, says and ends a command with. Whoever tells one reads it here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict.

    Attributes:
        title: A word or two for a banner.
        sentence: The answer, without numbers.
        answer: The answer with `{budget}`, the budget as the user wrote it.
        exit_status: Of a command that ends with it.
        colour: On a terminal.
    """

    title: str
    sentence: str
    answer: str
    exit_status: int
    colour: str


VERDICTS: Mapping[str, Verdict] = {
    "unneeded": Verdict(
        "Not needed",
        "The unpruned network is already inside the budget; nothing was cut.",
        "The unpruned network is already inside the budget of {budget}; nothing was cut.",
        0,
        "green",
    ),
    "met": Verdict(
        "Met",
        "The budget is met: the upper end of the measured interval is within it.",
        "The exported subnet was timed on the target and is inside the budget of {budget}.",
        0,
        "green",
    ),
    "unstable": Verdict(
        "No answer",
        "The machine was too unsteady to give an answer; time again when it is quieter.",
        "The machine was too unsteady to tell whether the subnet is inside the budget of {budget}.",
        3,
        "yellow",
    ),
    "infeasible": Verdict(
        "Out of reach",
        "No network that can be reached is inside the budget.",
        "No subnet of this search space can be inside the budget of {budget}.",
        1,
        "red",
    ),
    "missed": Verdict(
        "Missed",
        "The budget is missed: the upper end of the measured interval is above it.",
        "The best subnet that was found is not surely inside the budget of {budget}.",
        1,
        "red",
    ),
}
"""Word -> verdict, the worst last: of several, one that says no decides, then one that says nothing."""


def worst(words: Iterable[str]) -> str:
    """Return the verdict of a whole: the worst of those of its parts."""
    return max(words, key=list(VERDICTS).index)
