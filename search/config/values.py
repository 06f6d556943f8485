"""Read one value of the config file; each reader checks the type and says what it wants."""

from __future__ import annotations

from hwprofiles import Quantity, parse_quantity


def text(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be a text in quotes, but got {value!r}.")
    return value


def integer(value: object) -> int:
    """Return a whole number; `true` and `1.0` are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number, but got {value!r}{_unquote(value)}.")
    return value


def number(value: object) -> float:
    """Return a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, but got {value!r}{_unquote(value)}.")
    return float(value)


def boolean(value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false (without quotes), but got {value!r}.")
    return value


def texts(value: object) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f'must be a list of texts, such as ["head.*"], but got {value!r}.')
    return tuple(value)


def widths(value: object) -> dict[str, int]:
    """Return a table of whole numbers."""
    if not isinstance(value, dict):
        raise ValueError(f'must be a table of whole numbers, such as {{ "blocks.*" = 8 }}, but got {value!r}.')
    return {name: integer(item) for name, item in value.items()}


def numbers(value: object) -> tuple[float, ...]:
    """Return a list of at least one number."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be a list of numbers, such as [0.49, 0.48, 0.45], but got {value!r}.")
    return tuple(number(item) for item in value)


def quantity(value: object) -> Quantity:
    """Return a time or a share, such as "4 ms" or "50 %"."""
    if not isinstance(value, str):
        raise ValueError(f'must be a text with a unit, such as "4 ms" or "50 %", but got {value!r}.')
    return parse_quantity(value)


def seconds(value: object) -> float:
    """Return a time in seconds, written as "4 min"."""
    parsed = quantity(value)
    if parsed.kind != "time":
        raise ValueError(f'must be a time, such as "4 min", but got {value!r}.')
    return parsed.value


def shapes(value: object) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return (name, shape) of each input, from one shape or a table of named ones."""
    named = value if isinstance(value, dict) else {"input": value}
    return tuple((name, _shape(shape)) for name, shape in named.items())


def options(value: object) -> tuple[tuple[str, str], ...]:
    """Return runtime options as sorted pairs of texts."""
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError(f"must be a table of texts, such as {{ name = 'value' }}, but got {value!r}.")
    return tuple(sorted(value.items()))


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ValueError(f"must be a shape without the batch, such as [3, 224, 224], but got {value!r}.")
    return tuple(integer(item) for item in value)


def _unquote(value: object) -> str:
    return ": write it without quotes" if isinstance(value, str) else ""
