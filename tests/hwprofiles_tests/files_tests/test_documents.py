from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import check_shape, format_bytes, parse_json, shown
from hwprofiles.files.documents import DEEPEST

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(PLAIN)
def test_what_json_writes_comes_back(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NaN", "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ("1e999", "'1e999' is too large"),
        (str(2**63), "too large"),
        ("9" * 5000, "too large"),
        ("-" + "9" * 19, "too large"),
        ('{"a": 1, "b": 2, "a": 1}', "the key 'a' is there twice"),
        ("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2), "nested more than 100"),
        ("[" * 10**6, "nested more than 100"),
        ('{"a":' * 10**5, "nested more than 100"),
        ("{", "Expecting"),
        (b"\xff\xfe\xfd", "codec"),
        (b"\x00", "Expecting"),
    ],
)
def test_what_is_no_document(text: str | bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 300


def test_as_deep_as_is_allowed() -> None:
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)


SHAPE = {"a": float, "b?": [int], "c": ({str: str}, None), "d": frozenset({"x", "y"}), "e": object, "f": bool}
GOOD = {"a": 1, "b": [1, 2], "c": {"k": "v"}, "d": "x", "e": [None], "f": True, "more": 3}


@pytest.mark.parametrize("change", [{}, {"a": 0.5}, {"c": None}, {"b": []}, {"d": "y"}])
def test_shapes_that_fit(change: dict[str, Any]) -> None:
    check_shape(GOOD | change, SHAPE)
    check_shape({key: value for key, value in GOOD.items() if key != "b"}, SHAPE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a": True}, "it.a must be a finite number, but is True"),
        ({"a": "1"}, "it.a must be a finite number, but is '1'"),
        ({"a": float("nan")}, "it.a must be a finite number, but is nan"),
        ({"b": [1, 2.0]}, r"it.b\[1\] must be a whole number below 2\^63, but is 2.0"),
        ({"b": [True]}, r"it.b\[0\] must be a whole number"),
        ({"b": {}}, "it.b must be a list, but is {}"),
        ({"c": {"k": 1}}, "it.c.k must be a text, but is 1 or it.c must be null"),
        ({"c": []}, "it.c must be an object"),
        ({"d": "z"}, "it.d must be one of x, y, but is 'z'"),
        ({"d": ["x"]}, "it.d must be one of x, y"),
        ({"f": 1}, "it.f must be true or false, but is 1"),
    ],
)
def test_shapes_that_do_not_fit(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_shape(GOOD | change, SHAPE)


def test_what_lacks_a_key_or_is_something_else() -> None:
    with pytest.raises(ValueError, match="a report must have 'e', but has"):
        check_shape({key: value for key, value in GOOD.items() if key != "e"}, SHAPE, "a report")
    with pytest.raises(ValueError, match="it must be an object, but is 3"):
        check_shape(3, SHAPE)


def test_values_are_shown_short_and_always() -> None:
    deep: list[Any] = []
    for _ in range(10**5):
        deep = [deep]
    for value in (10**10000, -(10**400), "x" * 10**6, [1] * 10**6, {i: i for i in range(10**4)}, deep, "\x1b[31m\n"):
        assert len(shown(value)) < 400
        assert shown(value).isprintable()
    assert shown(10**10000) == "<whole number of about 10000 digits>"
    assert [shown(value) for value in (3, "a", [1, 2], 0.5, True, None)] == [
        "3",
        "'a'",
        "[1, 2]",
        "0.5",
        "True",
        "None",
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (2**63, "8 EiB"),
        (10**400, "over 1024 EiB"),
    ],
)
def test_bytes_are_written_with_their_unit(count: int, text: str) -> None:
    assert format_bytes(count) == text
    with pytest.raises(ValueError, match="must not be negative"):
        format_bytes(-1)
