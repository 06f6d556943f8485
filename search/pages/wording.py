"""Put what a report holds into words. What is missing is said to be missing; it is never written as zero."""

import math
from collections.abc import Mapping
from typing import Any

from hwprofiles import format_interval, format_percent, format_seconds

NOT_MEASURED = "not measured"
NOT_RECORDED = "not recorded"


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


def seconds_within(value: object, low: object, high: object) -> str:
    """Write seconds with their interval; without it where an end is missing."""
    middle, least, most = number(value), number(low), number(high)
    if middle is None or least is None or most is None:
        return seconds(middle)
    return format_interval(middle, least, most)


def percent_within(value: object, low: object, high: object) -> str:
    """Write a fraction in percent with its interval, such as ``47.2 % [46.5, 48.1]``; see `seconds_within`."""
    middle, least, most = number(value), number(low), number(high)
    if middle is None or least is None or most is None:
        return percent(middle)
    ends = ", ".join(format_percent(end).removesuffix(" %") for end in (least, most))
    return f"{format_percent(middle)} [{ends}]"


def seconds_interval(entry: Mapping[str, Any] | None, middle: str = "median") -> str:
    """Write the seconds of an object of JSON with their interval; see `seconds_within`."""
    known = entry or {}
    return seconds_within(known.get(middle), known.get("low"), known.get("high"))


def ratio_interval(entry: Mapping[str, Any] | None) -> str:
    """Write the ratio in an object of JSON with its interval; see `percent_within`."""
    known = entry or {}
    return percent_within(known.get("median"), known.get("low"), known.get("high"))


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
