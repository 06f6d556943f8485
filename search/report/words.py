"""Put the parts of a report into words. What is missing is said to be missing; it is never written as zero."""

from ..bundle import Report, Spread
from ..pages import percent, percent_within, seconds, seconds_within
from ..verdicts import VERDICTS


def verdict_words(report: Report) -> tuple[str, str]:
    """Return the banner's word and sentence."""
    found = VERDICTS[report.verdict]
    return found.title, found.answer.format(budget=budget_text(report))


def budget_text(report: Report) -> str:
    """Return the budget as the user wrote it, or its value where that text is missing."""
    budget = report.budget
    if budget is not None and budget.text:
        return budget.text
    if budget is not None and budget.kind == "fraction":
        return percent(budget.value)
    return seconds(report.first.budget_s)


def time_words(spread: Spread | None) -> str:
    """Write seconds with their interval."""
    return seconds(None) if spread is None else seconds_within(spread.median, spread.low, spread.high)


def ratio_words(spread: Spread | None) -> str:
    """Write a ratio in percent with its interval."""
    return percent(None) if spread is None else percent_within(spread.median, spread.low, spread.high)


def median_of(spread: Spread | None) -> float | None:
    """Return the median of what was measured; None where nothing was."""
    return None if spread is None else spread.median
