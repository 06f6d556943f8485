"""Read one value of the config file; each reader checks the type and says what it wants."""

from __future__ import annotations

import math
import unicodedata

from hwprofiles import Quantity, parse_quantity, shown

LONGEST = 4096
"""Characters of the longest text: what file systems take for a path, and far more than any other name needs."""

LARGEST = 2**63 - 1
"""Largest magnitude of a whole number: TOML promises no more, and neither does anything that reads one."""


def text(value: object) -> str:
    """Return a text that is not empty, not overlong, and holds only characters that can be printed."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be a text in quotes, but got {shown(value)}.")
    return _plain(value)


def integer(value: object) -> int:
    """Return a whole number; `true` and `1.0` are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number, but got {shown(value)}{_unquote(value)}.")
    if abs(value) > LARGEST:
        raise ValueError(f"must be a whole number below 2^63, but got {shown(value)}: write a smaller one.")
    return value


def number(value: object) -> float:
    """Return a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, but got {shown(value)}{_unquote(value)}.")
    # A whole number may be too large for a float, so it is looked at first.
    value = float(integer(value)) if isinstance(value, int) else value
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, but got {value}: write it out.")
    return value


def boolean(value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false (without quotes), but got {shown(value)}.")
    return value


def texts(value: object) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f'must be a list of texts, such as ["head.*"], but got {shown(value)}.')
    return tuple(map(_plain, value))


def widths(value: object) -> dict[str, int]:
    """Return a table of whole numbers."""
    if not isinstance(value, dict):
        raise ValueError(f'must be a table of whole numbers, such as {{ "blocks.*" = 8 }}, but got {shown(value)}.')
    return {_plain(name): integer(item) for name, item in value.items()}


def numbers(value: object) -> tuple[float, ...]:
    """Return a list of at least one number."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be a list of numbers, such as [0.49, 0.48, 0.45], but got {shown(value)}.")
    return tuple(number(item) for item in value)


def quantity(value: object) -> Quantity:
    """Return a time or a share, such as "4 ms" or "50 %"."""
    if not isinstance(value, str):
        raise ValueError(f'must be a text with a unit, such as "4 ms" or "50 %", but got {shown(value)}.')
    return parse_quantity(_plain(value))


def seconds(value: object) -> float:
    """Return a time in seconds, written as "4 min"."""
    parsed = quantity(value)
    if parsed.kind != "time":
        raise ValueError(f'must be a time, such as "4 min", but got {shown(value)}.')
    return parsed.value


def shapes(value: object) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return (name, shape) of each input, from one shape or a table of named ones."""
    named = value if isinstance(value, dict) else {"input": value}
    return tuple((text(name), _shape(shape)) for name, shape in named.items())


def options(value: object) -> tuple[tuple[str, str], ...]:
    """Return runtime options as sorted pairs of texts."""
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError(f"must be a table of texts, such as {{ name = 'value' }}, but got {shown(value)}.")
    return tuple(sorted((_plain(name), _plain(item)) for name, item in value.items()))


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ValueError(f"must be a shape without the batch, such as [3, 224, 224], but got {shown(value)}.")
    return tuple(integer(item) for item in value)


def _plain(value: str) -> str:
    if len(value) > LONGEST:
        raise ValueError(f"must be a text of at most {LONGEST} characters, but this one has {len(value)}: shorten it.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise ValueError(
            f"must be a text without control characters, but got {shown(value)}: write it anew, and mind that "
            'backslashes in "..." begin an escape.'
        )
    return value


def _unquote(value: object) -> str:
    return ": write it without quotes" if isinstance(value, str) else ""
