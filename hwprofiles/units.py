"""Parse and format quantities: the only place that knows units. Seconds and fractions everywhere else."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from .texts import shown

_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}

# Whole multiples divide exactly; 3 / 1e6 is the nearest float to 3 us where 3 * 1e-6 is not.
_PER_SECOND = {"ns": 1e9, "us": 1e6, "ms": 1e3}

# Least magnitude in seconds from which a unit is used; nanoseconds below all of them.
_USED_FROM_S = (("h", 7200.0), ("min", 120.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6))

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\W\d_]*|%)\s*")

_BINARY = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

# Characters of the longest text that is looked at; a number that is written out has far fewer.
_LONGEST = 100

_UNITS_RULE = "A quantity is a number and one of the units ns, us, ms, s, min, h, %"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A time or a fraction.

    Attributes:
        value: Seconds for a time, a plain fraction (0.5 for 50 %) for a fraction.
        kind: Which of the two.
    """

    value: float
    kind: Literal["time", "fraction"]

    def __post_init__(self) -> None:
        if self.kind not in ("time", "fraction"):
            raise ValueError(f"`kind` must be 'time' or 'fraction', but got {self.kind!r}.")
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError(f"A quantity must be finite and not negative, but got {self.value!r}.")


def parse_quantity(text: str) -> Quantity:
    """Read a quantity such as ``4 ms``, ``50%`` or ``2min``.

    Raises:
        ValueError: There is no number, no unit, an unknown unit, or the value is negative or not finite.
    """
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{_UNITS_RULE}, but got {shown(text)}; write for example '4 ms' or '50 %'.")
    number, unit = float(match[1]), match[2]
    if unit == "%":
        return Quantity(number / 100, "fraction")
    if unit not in _SECONDS:
        raise ValueError(_unit_message(text, match[1], unit))
    return Quantity(number / _PER_SECOND[unit] if unit in _PER_SECOND else number * _SECONDS[unit], "time")


def _unit_message(text: str, number: str, unit: str) -> str:
    if not unit:
        return f"{_UNITS_RULE}, but {text!r} has no unit; write '{number} ms', '{number} s' or '{number} %'."
    if unit in ("m", "M"):
        return f"{_UNITS_RULE}, but the unit of {text!r} could be two; write '{number} min' or '{number} ms'."
    if unit in ("µs", "μs"):
        return f"{_UNITS_RULE}, but got {text!r}; write '{number} us'."
    near = unit.lower() if unit.lower() in _SECONDS else {"sec": "s", "msec": "ms", "usec": "us", "hour": "h"}.get(unit)
    remedy = f"; write '{number} {near}'" if near else ""
    return f"{_UNITS_RULE}, but {text!r} has the unit {unit!r}{remedy}."


def format_seconds(seconds: float, digits: int = 3) -> str:
    """Write seconds with the unit that suits their size, such as ``1.84 ms``.

    Args:
        seconds: Any finite number; differences may be negative.
        digits: Significant digits, at least 1.

    Raises:
        ValueError: The number is not finite, or `digits` is below 1.
    """
    if seconds == 0:
        return "0 s"
    unit = _unit_of(seconds, digits)
    return f"{_scaled(seconds, unit):.{_decimals(seconds, unit, digits)}f} {unit}"


def format_interval(median: float, low: float, high: float, digits: int = 3) -> str:
    """Write seconds with their interval, such as ``1.84 ms [1.80, 1.90]``.

    The unit and the number of decimals are those of the median, so that the three compare at a glance.

    Raises:
        ValueError: A number is not finite, or `digits` is below 1.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"An interval must be finite to be written, but got [{low}, {high}].")
    unit = _unit_of(median, digits) if median else "s"
    decimals = _decimals(median, unit, digits) if median else digits
    ends = ", ".join(f"{_scaled(end, unit):.{decimals}f}" for end in (low, high))
    return f"{format_seconds(median, digits)} [{ends}]"


def format_percent(fraction: float, digits: int = 1) -> str:
    """Write a fraction in percent, such as ``50.3 %`` for 0.503.

    Args:
        fraction: Any finite number.
        digits: Digits after the point.

    Raises:
        ValueError: The number is not finite.
    """
    if not math.isfinite(fraction):
        raise ValueError(f"A fraction must be finite to be written, but got {fraction!r}.")
    return f"{100 * fraction:.{digits}f} %"


def format_bytes(count: int) -> str:
    """Write a number of bytes with the binary unit that suits its size, such as ``1.5 GiB``.

    Raises:
        ValueError: The number is negative.
    """
    if count < 0:
        raise ValueError(f"A number of bytes must not be negative, but got {shown(count)}.")
    power = min(max(count.bit_length() - 1, 0) // 10, len(_BINARY) - 1)
    # Whole numbers are divided, since one of any size may come and a float holds no more than 1e308.
    whole, rest = divmod(count, 1 << 10 * power)
    if whole >= 1024:
        return f"over 1024 {_BINARY[-1]}"
    return f"{whole if whole >= 100 else format(whole + rest / (1 << 10 * power), '.3g')} {_BINARY[power]}"


def _unit_of(seconds: float, digits: int) -> str:
    if not math.isfinite(seconds):
        raise ValueError(f"Seconds must be finite to be written, but got {seconds!r}.")
    if digits < 1:
        raise ValueError(f"`digits` must be at least 1, but got {digits}.")
    # Rounded first: 0.9999 ms with three digits is 1.00 ms, never 1000 us.
    rounded = abs(float(f"{seconds:.{digits - 1}e}"))
    return next((unit for unit, least in _USED_FROM_S if rounded >= least), "ns")


def _scaled(seconds: float, unit: str) -> float:
    return seconds * _PER_SECOND[unit] if unit in _PER_SECOND else seconds / _SECONDS[unit]


def _decimals(seconds: float, unit: str, digits: int) -> int:
    exponent = int(f"{_scaled(seconds, unit):.{digits - 1}e}".partition("e")[2])
    return max(0, digits - 1 - exponent)
