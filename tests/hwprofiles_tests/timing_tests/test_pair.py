"""A pair of a comparison is what a comparison of the two would have given."""

import pytest

from hwprofiles import Measurement, TimingProtocol

WHOLE = Measurement(
    canary="baseline",
    windows={"a": (1.0, 1.1), "baseline": (2.0, 2.1), "b": (3.0, 3.1)},
    starts_s=(0.0, 1.0),
    runs_per_turn={"a": 3, "baseline": 2, "b": 1},
    turns_per_window=5,
    protocol=TimingProtocol(),
    conditions={"temperature": 50.0},
    versions={"null": "1"},
    date="2026-11-01T00:00:00+00:00",
    notes=("A note.",),
    runs_s={"a": (1.0, 1.1), "b": (3.0, 3.1)},
)


def test_a_pair_has_one_contestant_and_the_canary() -> None:
    pair = WHOLE.pair("b", "subnet")
    assert dict(pair.windows) == {"baseline": (2.0, 2.1), "subnet": (3.0, 3.1)}
    assert dict(pair.runs_per_turn) == {"baseline": 2, "subnet": 1}
    assert dict(pair.runs_s) == {"subnet": (3.0, 3.1)}
    assert pair.ratios("subnet") == WHOLE.ratios("b")
    for name in ("canary", "starts_s", "turns_per_window", "protocol", "conditions", "versions", "date", "notes"):
        assert getattr(pair, name) == getattr(WHOLE, name)


def test_a_pair_may_take_the_name_of_another_contestant() -> None:
    assert WHOLE.pair("a", "b").windows["b"] == (1.0, 1.1)


@pytest.mark.parametrize(("name", "called"), [("c", "x"), ("baseline", "x"), ("a", "baseline")])
def test_a_pair_of_something_else_is_refused(name: str, called: str) -> None:
    with pytest.raises(ValueError, match=r"must be one of|A pair is"):
        WHOLE.pair(name, called)
