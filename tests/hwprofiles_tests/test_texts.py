"""Texts from files neither steer a terminal nor fill a screen."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import excerpt, plain, shown

STEERING = {
    "escape": "\x1b[2J",
    "bell": "\x07",
    "back": "safe\x08\x08",
    "return": "real\rfake",
    "c1": "\x9b31m",
    "delete": "\x7f",
    "override": "\u202egnp.exe",
    "isolate": "\u2066x\u2069",
    "mark": "\u200f",
    "hidden": "a\u200bb",
    "line": "a\u2028b",
    "half": "\ud800",
    "tag": "\U000e0041",
}


def steers(text: str) -> bool:
    return any(c not in "\n\t\u200c\u200d" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text)


@pytest.mark.parametrize("kind", STEERING)
def test_control_characters_are_written_out(kind: str) -> None:
    text = STEERING[kind]
    assert steers(text)
    assert not steers(plain(text))
    assert "\\" in plain(text)
    assert not steers(shown(text))
    assert not steers(excerpt(ValueError(text)))
    assert plain(text).encode()


@pytest.mark.parametrize("text", ["", "plain\n\twords", "größer, 大きい, अ\u200dक", "👩\u200d🔬", "100 % ± 3"])
def test_ordinary_words_stay(text: str) -> None:
    assert plain(text) == text


@given(st.text())
def test_any_text(text: str) -> None:
    assert not steers(plain(text))
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize("value", ["x" * 10**7, [1] * 10**6, {"a": "x" * 10**6}, 10**4000, b"\0" * 10**6])
def test_long_values_are_cut(value: object) -> None:
    assert len(shown(value)) <= 203
    assert "..." in shown(value) or "digits" in shown(value), "and it is seen that they are"
    assert len(excerpt(value)) <= 603


@pytest.mark.parametrize("value", [None, 1.5, "text", ["a", 1], {"a": None}])
def test_short_values_are_as_python_writes_them(value: object) -> None:
    assert shown(value) == repr(value)
