"""The curve from sums to seconds: monotone whatever the data, and turned back exactly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_tables import Bend

seconds = st.floats(1e-6, 1.0)
networks = st.lists(st.tuples(seconds, seconds), min_size=1, max_size=30)


def fitted(pairs: list[tuple[float, float]]) -> Bend:
    sums, measured = np.array(pairs).T
    return Bend.fit(sums, measured)


@given(networks, st.lists(st.floats(1e-9, 1e3), min_size=2, max_size=20, unique=True))
def test_a_bend_rises_everywhere_whatever_the_data(pairs: list[tuple[float, float]], asked: list[float]) -> None:
    bend = fitted(pairs)
    sums = np.sort(asked)
    # Neighbours in the last bit may round to one value.
    steps = np.diff(np.log(bend.seconds(sums)))
    assert np.all(steps >= 0.49 * np.diff(np.log(sums)) - 1e-12)
    ends = np.exp(bend.centre + np.array([bend.low, bend.high]))
    assert np.all(bend.steepness(ends) >= 0.5 - 1e-9)


@given(networks, st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=20))
def test_sums_turns_seconds_back(pairs: list[tuple[float, float]], asked: list[float]) -> None:
    bend, sums = fitted(pairs), np.array(asked)
    np.testing.assert_allclose(bend.sums(bend.seconds(sums)), sums, rtol=1e-9)
    np.testing.assert_allclose(bend.seconds(bend.sums(sums)), sums, rtol=1e-9)


@given(networks, st.floats(1e-3, 1e3))
def test_the_unit_of_time_does_not_matter(pairs: list[tuple[float, float]], factor: float) -> None:
    sums, measured = np.array(pairs).T
    first, second = Bend.fit(sums, measured), Bend.fit(factor * sums, factor * measured)
    np.testing.assert_allclose(second.seconds(factor * sums), factor * first.seconds(sums), rtol=1e-6)


@given(networks)
def test_no_time_stays_none(pairs: list[tuple[float, float]]) -> None:
    bend = fitted(pairs)
    assert bend.seconds(0.0) == bend.sums(0.0) == 0.0
    assert Bend().seconds([0.0, 1.0]).tolist() == Bend().sums([0.0, 1.0]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("power", [0.8, 0.95, 1.0, 1.1, 1.3])
def test_a_power_law_is_recovered(power: float) -> None:
    sums = np.geomspace(1e-4, 1e-2, 40)
    bend = Bend.fit(sums, 3.0 * sums**power)
    np.testing.assert_allclose(bend.seconds(sums), 3.0 * sums**power, rtol=2e-3)
    np.testing.assert_allclose(bend.steepness(sums), power, rtol=2e-3)
    # It goes on straight beyond.
    np.testing.assert_allclose(bend.steepness([1e-7, 1.0]), power, rtol=2e-3)


def test_exact_sums_give_a_straight_line() -> None:
    sums = np.geomspace(1e-4, 1e-2, 10)
    bend = Bend.fit(sums, sums)
    np.testing.assert_allclose(bend.seconds(sums), sums, rtol=1e-12)
    assert bend.slope == pytest.approx(1.0)
    assert bend.curve == pytest.approx(0.0, abs=1e-12)
    assert Bend().is_straight


def test_a_curve_is_followed() -> None:
    sums = np.geomspace(1e-4, 1e-2, 40)
    v = np.log(sums / 1e-3)
    measured = sums * np.exp(0.05 + 0.1 * v + 0.03 * v**2)
    np.testing.assert_allclose(Bend.fit(sums, measured).seconds(sums), measured, rtol=5e-3)


def test_networks_count_by_their_weights() -> None:
    sums = np.geomspace(1e-4, 1e-2, 40)
    measured = np.where(np.arange(40) % 2, 1.3, 1.0) * sums
    even, odd = (Bend.fit(sums, measured, np.where(np.arange(40) % 2 == i, 1.0, 1e-6)) for i in (0, 1))
    np.testing.assert_allclose(even.seconds(sums), sums, rtol=1e-3)
    np.testing.assert_allclose(odd.seconds(sums), 1.3 * sums, rtol=1e-2)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_networks_are_enough(n: int) -> None:
    sums = np.geomspace(1e-3, 2e-3, n)
    np.testing.assert_allclose(Bend.fit(sums, 1.1 * sums).seconds(sums), 1.1 * sums, rtol=0.02)


def test_steepness_is_the_slope_of_the_curve() -> None:
    bend = Bend(math.log(1e-3), 0.1, 1.1, 0.05, -2.0, 2.0)
    sums = np.array([1e-6, 2e-4, 1e-3, 5e-3, 1.0])
    numeric = np.log(bend.seconds(sums * 1.0001) / bend.seconds(sums)) / math.log(1.0001)
    np.testing.assert_allclose(bend.steepness(sums), numeric, rtol=1e-4)


@pytest.mark.parametrize("values", [(0.0, 0.0, -1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0, -1.0, 1.0)])
def test_a_curve_that_falls_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must rise"):
        Bend(*values)
