"""Values of frozen dataclasses as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from search.bundle import read_value, write_value
from search.bundle.document import only_known


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    kind: Literal["one", "two"] | None = None
    more: float | None = only_known()


@dataclass(frozen=True, slots=True)
class Outer:
    count: int
    passed: bool | None
    inner: Inner = field(default_factory=lambda: Inner("own"))
    items: tuple[Inner, ...] = ()
    named: Mapping[str, tuple[str, ...]] | None = None
    any: Any = None


WHOLE = Outer(2, True, Inner("a", "two", 0.5), (Inner("b"), Inner("c")), {"x": ("y", "z")}, {"k": [1]})


def test_a_value_is_written_and_read_back() -> None:
    document = write_value(WHOLE)
    assert document == {
        "count": 2,
        "passed": True,
        "inner": {"name": "a", "kind": "two", "more": 0.5},
        "items": [{"name": "b", "kind": None}, {"name": "c", "kind": None}],
        "named": {"x": ["y", "z"]},
        "any": {"k": [1]},
    }
    assert read_value(Outer, document) == WHOLE


@pytest.mark.parametrize("document", [{}, {"inner": None, "items": None, "named": None, "any": None, "other": 1}])
def test_what_is_missing_or_null_is_the_default(document: dict[str, Any]) -> None:
    assert read_value(Outer, {"count": 0, "passed": None, **document}) == Outer(0, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": None}, "it.count must be a whole number"),
        ({"count": 1.5}, "it.count must be a whole number"),
        ({"passed": 1}, "it.passed must be true or false"),
        ({"inner": {"kind": "one"}}, "it.inner must have 'name'"),
        ({"inner": {"name": "a", "kind": "three"}}, "it.inner.kind must be one of one, two, but is 'three'"),
        ({"items": {"name": "a"}}, "it.items must be a list"),
        ({"items": [{"name": "a"}, {"name": 2}]}, r"it.items\[1\].name must be a text"),
        ({"named": {"x": "y"}}, "it.named.x must be a list"),
    ],
)
def test_what_is_of_another_shape_is_refused_and_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_value(Outer, {**write_value(WHOLE), **change})


def test_what_must_be_there_may_not_be_missing() -> None:
    with pytest.raises(ValueError, match="it must have 'passed'"):
        read_value(Outer, {"count": 1})
