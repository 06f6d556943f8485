"""Frozen values as JSON, and back: what a document must be like is read from the types of a value's fields.

A key bears its field's name. A field without a default must be there; one with a default may be missing or null, which
mean the same and leave it at its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from hwprofiles import check_shape

Value = TypeVar("Value")

_PLAIN = (float, int, str, bool)
_UNIONS = (Union, UnionType)
"""What `X | None` is: the first where X is a literal."""


def read_value(kind: type[Value], document: object, place: str = "it") -> Value:
    """Return the value that a JSON document holds.

    Args:
        kind: A frozen dataclass. Its fields are plain values, other such classes, tuples of one kind (`tuple[X, ...]`),
            mappings from text, literals, each perhaps or None, and `Any`, which is taken as it is.
        document: What `hwprofiles.parse_json` returned.
        place: How a message calls it.

    Raises:
        ValueError: The document is not like that; the message says where, and what belongs there.
    """
    like: Any = kind
    check_shape(document, shape_of(like), place)
    found: Value = _read(like, document)
    return found


def write_value(value: object) -> Any:
    """Return what `read_value` reads: a missing value as null, but for fields that are written only where known."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: write_value(held)
            for each in fields(value)
            if (held := getattr(value, each.name)) is not None or not each.metadata.get("only_known")
        }
    if isinstance(value, Mapping):
        return {name: write_value(held) for name, held in value.items()}
    if isinstance(value, tuple | list):
        return [write_value(held) for held in value]
    return value


def only_known() -> Any:
    """Return a field that is None by default, and then not written."""
    return field(default=None, metadata={"only_known": True})


@cache
def shape_of(kind: Any) -> Any:
    """Return the shape, as `hwprofiles.check_shape` takes it, of the JSON that a kind of value is read from."""
    if kind in _PLAIN:
        return kind
    if kind is Any:
        return object
    origin, inner = get_origin(kind), get_args(kind)
    if origin in _UNIONS:
        return tuple(None if one is NoneType else shape_of(one) for one in inner)
    if origin is Literal:
        return frozenset(inner)
    if origin is tuple:
        return [shape_of(inner[0])]
    if origin is Mapping:
        return {str: shape_of(inner[1])}
    shape: dict[Any, Any] = {}
    for each, wanted in _fields(kind):
        if _has_default(each):
            shape[f"{each.name}?"] = (shape_of(wanted), None)
        else:
            shape[each.name] = shape_of(wanted)
    return shape


def _read(kind: Any, found: Any) -> Any:
    """Return a value of a document that has the right shape."""
    if found is None or kind is Any:
        return found
    origin, inner = get_origin(kind), get_args(kind)
    if origin in _UNIONS:
        return _read(next(one for one in inner if one is not NoneType), found)
    if origin is tuple:
        return tuple(_read(inner[0], item) for item in found)
    if origin is Mapping:
        return {name: _read(inner[1], item) for name, item in found.items()}
    if kind in _PLAIN or origin is Literal:
        return found
    held = {
        each.name: _read(wanted, found[each.name])
        for each, wanted in _fields(kind)
        if not _has_default(each) or found.get(each.name) is not None
    }
    return kind(**held)


@cache
def _fields(kind: Any) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((each, hints[each.name]) for each in fields(kind))


def _has_default(each: Field[Any]) -> bool:
    return each.default is not MISSING or each.default_factory is not MISSING
