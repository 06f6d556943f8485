"""Read JSON that may have been damaged or made by a stranger: its text strictly, and its shape before its values.

A shape is written as the values that it describes: `float` is a finite number, `int` a whole one, `str`, `bool` and
`None` are themselves, `[shape]` is a list, `{str: shape}` an object of any keys, `{"key": shape}` one that has this
key and may have others, `{"key?": shape}` one that need not, a frozenset one of its texts, a tuple either of its
shapes, and `object` anything.
"""

from __future__ import annotations

import json
import math
from typing import Any

from ..texts import shown

Shape = Any

DEEPEST = 100
"""Levels of lists and objects inside one another; what Lathe writes has about ten."""

LARGEST = 2**63 - 1
"""Largest magnitude of a whole number."""

_NAMES = {float: "a finite number", int: "a whole number below 2^63", str: "a text", bool: "true or false"}


def parse_json(text: bytes | str) -> Any:
    """Return what a JSON text holds.

    Raises:
        ValueError: It is no JSON, or holds what JSON has not (NaN, Infinity), what no number here can be (1e999, or
            2^63 and more), a key twice, or more than `DEEPEST` levels.
    """
    try:
        found = json.loads(
            text, object_pairs_hook=_distinct, parse_constant=_no_number, parse_float=_finite, parse_int=_whole
        )
        _check_depth(found)
    except RecursionError as exc:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from exc
    return found


def check_shape(value: object, shape: Shape, place: str = "it") -> None:
    """Check that a value of JSON has a shape; see the module.

    Args:
        value: What `parse_json` returned.
        shape: What it must be like.
        place: How a message calls it.

    Raises:
        ValueError: It differs; the message says where, and what belongs there.
    """
    if shape is object:
        return
    if isinstance(shape, tuple):
        _check_either(value, shape, place)
    elif isinstance(shape, frozenset):
        _require(isinstance(value, str) and value in shape, value, f"one of {', '.join(sorted(shape))}", place)
    elif isinstance(shape, list):
        _require(isinstance(value, list), value, "a list", place)
        for number, item in enumerate(value):  # type: ignore[arg-type, var-annotated]
            check_shape(item, shape[0], f"{place}[{number}]")
    elif isinstance(shape, dict):
        _require(isinstance(value, dict), value, "an object", place)
        _check_object(value, shape, place)  # type: ignore[arg-type]
    elif shape is None:
        _require(value is None, value, "null", place)
    else:
        _require(_is_plain(value, shape), value, _NAMES[shape], place)


def _check_object(value: dict[str, Any], shape: dict[Any, Shape], place: str) -> None:
    if str in shape:
        shape = dict.fromkeys(value, shape[str])
    for key, inner in shape.items():
        name = key.removesuffix("?") if key not in value else key
        if name in value:
            check_shape(value[name], inner, f"{place}.{name if name.isprintable() else shown(name)}")
        elif name == key:
            raise ValueError(f"{place} must have {name!r}, but has {shown(list(value))}")


def _check_either(value: object, shapes: tuple[Shape, ...], place: str) -> None:
    reasons = []
    for shape in shapes:
        try:
            check_shape(value, shape, place)
        except ValueError as exc:
            reasons.append(str(exc))
        else:
            return
    raise ValueError(" or ".join(reasons))


def _is_plain(value: object, kind: type) -> bool:
    # True is an integer to Python, and none to JSON.
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)


def _require(condition: bool, value: object, wanted: str, place: str) -> None:
    if not condition:
        raise ValueError(f"{place} must be {wanted}, but is {shown(value)}")


def _check_depth(value: object) -> None:
    level, depth = [value], 0
    while level:
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        depth += 1


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shown(twice)} is there twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise ValueError(f"the number {shown(digits)} is too large")
    return found


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(found := int(digits)) > LARGEST:
        raise ValueError(f"the whole number {shown(digits)} is too large")
    return found
