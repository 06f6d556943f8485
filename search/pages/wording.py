"""Put what a report holds into words. What is missing is said to be missing; it is never written as zero."""

import math
from collections.abc import Mapping
from typing import Any

from hwprofiles import format_interval, format_percent, format_seconds, shown

from ..verdicts import VERDICTS

NOT_MEASURED = "not measured"
NOT_RECORDED = "not recorded"

FORMAT = 1


def verdict_words(report: Mapping[str, Any]) -> tuple[str, str]:
    """Return the banner's word and sentence.

    Raises:
        ValueError: The report has another format version or a verdict that is not known.
    """
    if report.get("format") != FORMAT:
        raise ValueError(
            f"A report must have `format` {FORMAT}, but got {shown(report.get('format'))}; "
            "read it with the version of Lathe that wrote it."
        )
    verdict = report.get("verdict")
    if not isinstance(verdict, str) or verdict not in VERDICTS:
        raise ValueError(f"`verdict` must be one of {', '.join(VERDICTS)}, but got {shown(verdict)}.")
    found = VERDICTS[verdict]
    return found.title, found.answer.format(budget=budget_text(report))


def budget_text(report: Mapping[str, Any]) -> str:
    """Return the budget as the user wrote it, or its value where that text is missing."""
    budget = report.get("budget") or {}
    if budget.get("text"):
        return str(budget["text"])
    return percent(budget.get("value")) if budget.get("kind") == "fraction" else seconds(report.get("budget_s"))


def number(value: object) -> float | None:
    """Return a finite number as a float, and None for everything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def seconds(value: object) -> str:
    """Write seconds."""
    return NOT_MEASURED if (known := number(value)) is None else format_seconds(known)


def percent(value: object, digits: int = 1) -> str:
    """Write a fraction in percent."""
    return NOT_MEASURED if (known := number(value)) is None else format_percent(known, digits)


def change(value: object, digits: int = 1) -> str:
    """Write a fraction in percent with its sign, such as ``-3.1 %``."""
    known = number(value)
    if known is None:
        return NOT_MEASURED
    return ("+" if known > 0 else "") + format_percent(known, digits)


def count(value: object) -> str:
    """Write a whole number with separators, such as ``1,234,567``."""
    return NOT_MEASURED if (known := number(value)) is None else f"{known:,.0f}"


def plain(value: object, digits: int = 3) -> str:
    """Write a number without a unit."""
    return NOT_MEASURED if (known := number(value)) is None else f"{known:.{digits}g}"


def seconds_interval(entry: Mapping[str, Any] | None, middle: str = "median") -> str:
    """Write seconds with their interval; without it where an end is missing."""
    value, low, high = _three(entry, middle)
    if value is None or low is None or high is None:
        return seconds(value)
    return format_interval(value, low, high)


def ratio_interval(entry: Mapping[str, Any] | None) -> str:
    """Write a ratio in percent with its interval, such as ``47.2 % [46.5, 48.1]``."""
    value, low, high = _three(entry, "median")
    if value is None or low is None or high is None:
        return percent(value)
    ends = ", ".join(format_percent(end).removesuffix(" %") for end in (low, high))
    return f"{format_percent(value)} [{ends}]"


def fact(value: object) -> str:
    """Write a fact of the conditions; nested ones as ``name: value`` pairs."""
    if value is None or value in ("", [], {}):
        return NOT_RECORDED
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {fact(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(fact(inner) for inner in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def part(report: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the mapping below `path`, empty where it or anything above it is missing."""
    here: object = report
    for key in path:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def entries(report: Mapping[str, Any], *path: str) -> list[Any]:
    """Return the list below `path`, empty where it or anything above it is missing."""
    found = part(report, *path[:-1]).get(path[-1])
    return list(found) if isinstance(found, list | tuple) else []


def _three(entry: Mapping[str, Any] | None, middle: str) -> tuple[float | None, float | None, float | None]:
    known = entry or {}
    return number(known.get(middle)), number(known.get("low")), number(known.get("high"))
