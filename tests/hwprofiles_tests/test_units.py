from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import Quantity, format_interval, format_percent, format_seconds, parse_quantity


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("4 ms", 4e-3, "time"),
        ("4ms", 4e-3, "time"),
        ("3 us", 3e-6, "time"),
        ("7 ns", 7e-9, "time"),
        ("2min", 120.0, "time"),
        ("1 h", 3600.0, "time"),
        ("1.5e1 s", 15.0, "time"),
        (" .5 s ", 0.5, "time"),
        ("50%", 0.5, "fraction"),
        ("50 %", 0.5, "fraction"),
        ("0 %", 0.0, "fraction"),
    ],
)
def test_parse(text: str, value: float, kind: str) -> None:
    assert parse_quantity(text) == Quantity(value, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("4", "'4 ms'"),
        ("4 m", "'4 min'"),
        ("4 M", "'4 min'"),
        ("4 µs", "'4 us'"),
        ("4 MS", "'4 ms'"),
        ("4 sec", "'4 s'"),
        ("4 parsec", "ns, us, ms, s, min, h, %"),
        ("4,5 ms", "'4 ms'"),
        ("ms", "'4 ms'"),
        ("", "'4 ms'"),
        ("4 ms 3 us", "'4 ms'"),
        ("nan s", "'4 ms'"),
        ("-4 ms", "not negative"),
        ("1e999 s", "finite"),
    ],
)
def test_parse_refuses_with_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        parse_quantity(text)


def test_quantity_refuses_unknown_kind() -> None:
    with pytest.raises(ValueError, match="kind"):
        Quantity(1.0, "length")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (0.00184, 3, "1.84 ms"),
        (0.0009999, 3, "1.00 ms"),
        (0.0009994, 3, "999 us"),
        (5e-5, 3, "50.0 us"),
        (1e-10, 3, "0.100 ns"),
        (90, 3, "90.0 s"),
        (240, 2, "4.0 min"),
        (7200, 3, "2.00 h"),
        (0, 3, "0 s"),
        (-0.0012, 2, "-1.2 ms"),
    ],
)
def test_format_seconds(seconds: float, digits: int, text: str) -> None:
    assert format_seconds(seconds, digits) == text


@given(st.floats(1e-9, 1e6), st.integers(1, 9))
def test_written_seconds_are_read_back(seconds: float, digits: int) -> None:
    read = parse_quantity(format_seconds(seconds, digits))
    assert read.kind == "time"
    assert math.isclose(read.value, seconds, rel_tol=0.5000001 * 10 ** (1 - digits))


@given(st.integers(0, 10**6), st.integers(0, 4))
def test_written_percent_is_read_back(per_million: int, digits: int) -> None:
    fraction = per_million / 1e6
    assert abs(parse_quantity(format_percent(fraction, digits)).value - fraction) <= 0.5000001 * 10 ** (-digits - 2)


@given(st.integers(1, 10**6), st.sampled_from(["ns", "us", "ms", "s", "min", "h"]))
def test_whole_numbers_are_read_exactly(number: int, unit: str) -> None:
    scale = {"ns": 10**-9, "us": 10**-6, "ms": 10**-3, "s": 1, "min": 60, "h": 3600}[unit]
    assert math.isclose(parse_quantity(f"{number} {unit}").value, number * scale, rel_tol=1e-15)


def test_format_interval_has_one_unit() -> None:
    assert format_interval(1.84e-3, 1.8e-3, 1.9e-3) == "1.84 ms [1.80, 1.90]"
    assert format_interval(1.05e-3, 0.95e-3, 1.2e-3) == "1.05 ms [0.95, 1.20]"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_format_refuses_what_is_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        format_seconds(bad)
    with pytest.raises(ValueError, match="finite"):
        format_percent(bad)
    with pytest.raises(ValueError, match="finite"):
        format_interval(1.0, 0.5, bad)


def test_format_refuses_no_digits() -> None:
    with pytest.raises(ValueError, match="digits"):
        format_seconds(1.0, 0)


def test_format_percent() -> None:
    assert format_percent(0.5034) == "50.3 %"
