from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import Interval, Measurement, TimingProtocol, UnstableError

STEADY = tuple(1e-3 * (1 + 0.001 * index) for index in range(12))


def measurement(
    windows: Mapping[str, Sequence[float]], conditions: Mapping[str, float | None] | None = None
) -> Measurement:
    count = len(next(iter(windows.values())))
    return Measurement(
        canary="baseline",
        windows={name: tuple(values) for name, values in windows.items()},
        starts_s=tuple(float(index) for index in range(count)),
        runs_per_turn=dict.fromkeys(windows, 3),
        turns_per_window=5,
        protocol=TimingProtocol(),
        conditions=conditions or {},
        versions={"library": "1.0"},
        date="2026-11-20T12:00:00+00:00",
        notes=("A note.",),
    )


def pair(ratios: Sequence[float], canary: Sequence[float] | None = None) -> Measurement:
    canary = canary or [1e-3] * len(ratios)
    return measurement({"subnet": [r * c for r, c in zip(ratios, canary, strict=True)], "baseline": canary})


@given(st.lists(st.tuples(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9)), max_size=20), st.floats(0, 1))
def test_json_round_trip_is_lossless(rows: list[tuple[float, float]], steal: float) -> None:
    made = measurement(
        {"baseline": [row[0] for row in rows], "subnet": [row[1] for row in rows]}, {"steal": steal, "pressure": None}
    )
    read = Measurement.from_json(json.loads(json.dumps(made.to_json())))
    assert read == made
    assert read.names == made.names
    assert read.to_json() == made.to_json()


def test_from_json_refuses() -> None:
    data = pair([1.0] * 8).to_json()
    assert data["format"] == 1
    with pytest.raises(ValueError, match="format 1"):
        Measurement.from_json({**data, "format": 2})
    with pytest.raises(ValueError, match="colour"):
        Measurement.from_json({**data, "colour": 1})
    with pytest.raises(ValueError, match="notes"):
        Measurement.from_json({name: value for name, value in data.items() if name != "notes"})


def test_values_are_checked() -> None:
    with pytest.raises(ValueError, match="canary"):
        measurement({"subnet": STEADY})
    with pytest.raises(ValueError, match="one value a window"):
        measurement({"baseline": STEADY, "subnet": STEADY[1:]})
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="finite and above 0"):
            measurement({"baseline": [bad]})
    with pytest.raises(ValueError, match="contestant must be one of"):
        pair([1.0] * 8).ratio("other")


def test_statistics_are_paired() -> None:
    speed = [1.0, 1.5, 0.7, 2.0, 1.1, 0.9, 1.3, 1.6, 0.8]
    made = pair([0.5] * 9, [1e-3 * value for value in speed])
    ratio, seconds = made.ratio("subnet"), made.seconds("subnet")
    assert ratio is not None
    assert seconds is not None
    assert (ratio.low, ratio.high) == pytest.approx((0.5, 0.5))
    assert (seconds.low, seconds.high) == pytest.approx((0.4e-3, 0.8e-3))
    assert made.ratio("baseline") == Interval(1.0, 1.0, 1.0)


def test_wandering_machine_makes_seconds_unstable_but_not_the_ratio() -> None:
    made = pair([0.5] * 12, [1e-3 * (1 + 0.1 * index) for index in range(12)])
    assert made.stable
    assert made.judge_ratio("subnet") == ()
    assert any("Drift" in sentence for sentence in made.judge_seconds("subnet"))
    assert made.stable_ratio("subnet").median == pytest.approx(0.5)
    with pytest.raises(UnstableError, match="Drift") as caught:
        made.stable_seconds("subnet")
    assert caught.value.reasons == made.judge_seconds("subnet")


def test_ordinary_noise_is_stable() -> None:
    rng = np.random.default_rng(0)
    stable = [
        pair(rng.lognormal(math.log(0.5), 0.02, 12).tolist(), rng.lognormal(-7, 0.09, 12).tolist()).stable
        for _ in range(200)
    ]
    assert sum(stable) >= 198


def test_too_few_windows() -> None:
    made = pair([0.5] * 7)
    assert made.ratio("subnet") is None
    assert made.seconds("subnet") is None
    assert not made.stable
    assert made.judgement == ("subnet: An interval needs at least 8 windows, but there are 7; allow more windows.",)
    assert made.difference("subnet") == "unstable"


def test_no_windows_at_all() -> None:
    made = measurement({"baseline": (), "subnet": ()})
    assert made.n_windows == 0
    assert not made.stable


def test_wide_interval() -> None:
    made = pair([0.5, 0.51, 0.53, 0.55, 0.56, 0.57, 0.58, 0.6])
    assert "at most 10 % of the median wide" in made.judgement[0]
    assert made.difference("subnet") == "unstable"


def test_two_groups() -> None:
    made = pair([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.54, 0.54, 0.54])
    assert len(made.judgement) == 1
    assert "must form one group" in made.judgement[0]


@pytest.mark.parametrize(
    ("condition", "value", "ratio_too"),
    [("steal", 0.21, True), ("pressure", 0.6, False), ("involuntary_switches", 5000.0, False)],
)
def test_conditions_are_judged(condition: str, value: float, ratio_too: bool) -> None:
    made = measurement({"baseline": STEADY, "subnet": STEADY}, {condition: value, "wall_s": 10.0})
    assert len(made.judge_seconds("subnet")) == 1
    assert len(made.judge_ratio("subnet")) == int(ratio_too)


def test_harmless_and_unknown_conditions_are_not_judged() -> None:
    harmless = {"steal": 0.2, "pressure": 0.5, "involuntary_switches": 100.0, "wall_s": 10.0, "load_1min": 9.0}
    for conditions in (harmless, dict.fromkeys(harmless, None), {}):
        made = measurement({"baseline": STEADY, "subnet": STEADY}, conditions)
        assert made.judge_seconds("subnet") == ()
        assert made.stable


def test_canary_alone_is_judged_by_its_seconds() -> None:
    assert measurement({"baseline": STEADY}).stable
    drifting = measurement({"baseline": [1e-3 * (1 + 0.1 * index) for index in range(12)]})
    assert not drifting.stable


@pytest.mark.parametrize(
    ("centre", "expected"), [(0.9, "faster"), (1.1, "slower"), (1.0, "no difference"), (1.005, "no difference")]
)
def test_difference(centre: float, expected: str) -> None:
    assert pair([centre + 0.002 * step for step in range(-5, 6)]).difference("subnet") == expected


def test_values_cannot_be_changed() -> None:
    made = pair([1.0] * 8)
    with pytest.raises(TypeError):
        made.windows["subnet"] = ()  # type: ignore[index]
