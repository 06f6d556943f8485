"""A report says when the machine's speed has left the interval that the table recorded, and what that may have done."""

from __future__ import annotations

import pytest

from hwprofiles import Interval
from search.bundle import Spread
from search.engine.doubts import drift

THEN = Spread(1.0e-3, 0.9e-3, 1.1e-3)


@pytest.mark.parametrize(("low", "high"), [(0.8e-3, 0.95e-3), (1.05e-3, 1.3e-3), (0.5e-3, 2.0e-3)])
def test_the_same_speed_is_no_news(low: float, high: float) -> None:
    assert drift(THEN, Interval((low + high) / 2, low, high)) == []


@pytest.mark.parametrize(("low", "high", "text"), [(0.6e-3, 0.8e-3, "700 us"), (1.3e-3, 1.5e-3, "1.4")])
def test_another_speed_is_said_with_both_speeds(low: float, high: float, text: str) -> None:
    (warning,) = drift(THEN, Interval((low + high) / 2, low, high))
    assert "then" in warning
    assert text in warning
    assert "small networks" in warning


def test_what_is_not_known_is_not_compared() -> None:
    assert drift(THEN, None) == []
    assert drift(None, Interval(1.0, 1.0, 1.0)) == []
    assert drift(Spread(1.0e-3), Interval(1.0, 1.0, 1.0)) == []
