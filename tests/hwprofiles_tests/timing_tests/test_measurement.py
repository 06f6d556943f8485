from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

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
    assert data["format"] == 3
    with pytest.raises(ValueError, match="formats 1 to 3"):
        Measurement.from_json({**data, "format": 4})
    with pytest.raises(ValueError, match="runs_s"):
        Measurement.from_json({**data, "format": 1})
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
    made = pair([0.5, 0.5, 0.54, 0.5, 0.5, 0.5, 0.54, 0.5, 0.5, 0.5, 0.54, 0.5])
    assert len(made.judgement) == 1
    assert "must form one group" in made.judgement[0]


@pytest.mark.parametrize(
    ("condition", "value", "ratio_too"),
    [
        ("steal", 0.21, True),
        ("waited", 0.21, True),
        ("pressure", 0.6, False),
        ("involuntary_switches", 5000.0, False),
        ("throttles", 1.0, False),
        ("frequency_change", -0.2, False),
    ],
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


def test_format_1_is_read() -> None:
    stored = json.loads((Path(__file__).parents[1] / "assets" / "measurement_1.json").read_text())
    made = Measurement.from_json(stored)
    assert stored["format"] == 1
    assert made.runs_s == {}
    protocol = TimingProtocol(lead_runs=0)
    assert made.protocol == protocol
    assert made.to_json() == {**stored, "format": 3, "protocol": protocol.to_json(), "runs_s": {}}


def test_format_2_is_read() -> None:
    stored = json.loads((Path(__file__).parents[1] / "assets" / "measurement_2.json").read_text())
    made = Measurement.from_json(stored)
    assert made.to_json() == {**stored, "format": 3, "protocol": {"lead_runs": 0, **stored["protocol"]}}
    assert made.missing_runs("baseline", 0.9) == 46 - 12


def test_format_3_is_read() -> None:
    stored = json.loads((Path(__file__).parents[1] / "assets" / "measurement_3.json").read_text())
    made = Measurement.from_json(stored)
    assert made.to_json() == stored
    assert made.protocol.lead_runs == 3


def test_small_difference_is_none_and_an_open_question_is_unstable() -> None:
    def about(centre: float, half: float) -> Measurement:
        return pair([centre + half * step / 6 for step in (5, -2, 0, 3, -6, 1, -3, 6, -1, 2, -5, 4, -4)])

    assert about(1.015, 0.02).difference("subnet") == "no difference"
    assert about(1.02, 0.02).difference("subnet") == "unstable"
    assert about(1.02, 0.02).difference("subnet", least=0.0) == "slower"
    assert about(1.0, 0.06).difference("subnet") == "unstable"
    assert about(1.0, 0.06).difference("subnet", excluded=0.06) == "no difference"
    with pytest.raises(ValueError, match="least <= excluded"):
        about(1.0, 0.01).difference("subnet", least=0.05)


def test_drift_against_the_canary() -> None:
    jitter = (0, 4, 1, 3, 2, 5, 0, 3)
    drifting = pair([0.5 + 0.001 * step for step in jitter] + [0.53 + 0.001 * step for step in jitter])
    assert any("Drift of the ratio to the canary" in sentence for sentence in drifting.judgement)


def test_many_outliers_are_unstable() -> None:
    steady = [1 + 0.001 * ((7 * index) % 10) for index in range(20)]
    few, many = list(steady), list(steady)
    few[3] = 1.5
    for index in (1, 4, 9, 13, 18):
        many[index] = 1.5 + 0.1 * index
    assert not any("outliers" in sentence for sentence in pair(few).judgement)
    assert any("5 of 20 windows" in sentence for sentence in pair(many).judgement)


def test_percentiles_of_runs() -> None:
    rng = np.random.default_rng(0)
    runs = tuple(rng.uniform(1e-3, 2e-3, 12 * 50))
    made = replace(measurement({"baseline": STEADY, "subnet": STEADY}), runs_s={"subnet": runs})
    bound = made.upper_seconds("subnet", 0.9)
    assert bound is not None
    assert 1.9e-3 <= bound <= 1.95e-3
    assert made.missing_runs("subnet", 0.9) == 0
    assert made.upper_seconds("baseline", 0.9) is None
    assert made.missing_runs("baseline", 0.99) == 473


def test_slow_runs_in_one_cluster_count_for_fewer() -> None:
    def with_slow(runs: set[int]) -> Measurement:
        values = tuple(2e-3 if index in runs else 1e-3 + 1e-7 * index for index in range(600))
        return replace(measurement({"baseline": STEADY}), runs_s={"baseline": values})

    scattered, clustered = with_slow(set(range(0, 600, 12))), with_slow(set(range(100, 150)))
    assert scattered.missing_runs("baseline", 0.95) == 0
    assert clustered.missing_runs("baseline", 0.95) > 1000
    assert clustered.upper_seconds("baseline", 0.95) is None


def test_runs_are_checked() -> None:
    for bad in ({"other": (1e-3,) * 12}, {"baseline": (1e-3,) * 13}, {"baseline": (math.nan,) * 12}):
        with pytest.raises(ValueError, match="ingle runs"):
            replace(measurement({"baseline": STEADY}), runs_s=bad)
