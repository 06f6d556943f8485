"""A slow machine slows small networks down more: ratios are brought to one pace, and each table finds out how far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import Interval
from latency_tables import LatencyTable, NetworkRow, Pace, Predictor
from latency_tables.fit.model import fit_model
from latency_tables.fit.pace import MOST, PRIOR, leaning

from ..chains import QUANTUM

REFERENCE = 0.02


def row(ratio: float, slow: float) -> NetworkRow:
    def about(middle: float) -> Interval:
        return Interval(middle, 0.99 * middle, 1.01 * middle)

    seconds = about(ratio * REFERENCE)
    return NetworkRow("job", "level", about(ratio), seconds, (), (), 1.0, 0.0, (), "", None, slow)


def timed_at(table: LatencyTable, paces: Callable[[int], float], g: float) -> LatencyTable:
    """Return the table as a machine would have timed it whose pace changed and whose ratios depend on it by g."""
    rows = []
    for i, own in enumerate(table.rows):
        slow = 0.0 if own.origin == "baseline" else paces(i)
        factor = own.ratio.median ** (-g * slow)
        ratio, seconds = own.ratio.times(factor), own.seconds.times(factor)
        rows.append(replace(own, ratio=ratio, seconds=seconds, raw_s=seconds.median * math.exp(slow), slowdown=slow))
    return replace(table, rows=tuple(rows))


@given(st.floats(0.01, 1.0), st.floats(-1.0, 1.0), st.floats(0.0, MOST))
def test_there_and_back_is_the_same(ratio: float, slow: float, g: float) -> None:
    pace = Pace(REFERENCE, g)
    seconds = pace.seconds(np.array([ratio * REFERENCE]), slow)
    back = pace.at_reference(row(float(seconds[0]) / REFERENCE, slow))
    assert back.ratio.median == pytest.approx(ratio)
    assert back.seconds.median == pytest.approx(ratio * REFERENCE)
    assert back.ratio.high / back.ratio.low == pytest.approx(1.01 / 0.99)


def test_small_networks_are_slowed_down_more_and_the_unpruned_one_is_the_measure() -> None:
    slow = Pace(REFERENCE, 0.2).seconds(REFERENCE * np.array([0.1, 0.5, 1.0]), math.log(1.5))
    grown = slow / (REFERENCE * np.array([0.1, 0.5, 1.0]))
    assert grown[0] == pytest.approx(0.1 ** (-0.2 * math.log(1.5)))
    assert grown[0] > grown[1] > grown[2] == 1.0


def test_what_a_row_says_of_the_pace() -> None:
    far, near = (Pace(REFERENCE).at_reference(row(0.3, slow)).ratio.median for slow in (30.0, 2.0))
    assert far == near, "nobody knows what holds so far off"
    assert leaning([row(1.0, 0.5), row(0.5, 0.0), row(0.5, 0.5)]) == pytest.approx([0, 0, 0.5 * math.log(2)])


@pytest.mark.parametrize("g", [0.0, 0.1, 0.2])
def test_a_table_whose_pace_changed_finds_its_own_dependence(table: LatencyTable, g: float) -> None:
    steady = fit_model(table.rows, QUANTUM)
    assert steady.pace.dependence == pytest.approx(PRIOR), "nothing is said of it"
    mixed = timed_at(table, lambda i: math.log(1.5) * (i % 2), g)
    found = fit_model(mixed.rows, QUANTUM)
    assert found.pace.dependence == pytest.approx(g, abs=0.05)
    networks = [[unit.key for unit in own.pieces] for own in table.rows]
    np.testing.assert_allclose(found.networks(networks)[0], steady.networks(networks)[0], rtol=0.02)


def test_held_out_networks_are_predicted_at_the_pace_that_they_were_timed_at(table: LatencyTable) -> None:
    mixed = timed_at(table, lambda i: math.log(1.5) * (i % 2), 0.2)
    own, other = (Predictor.fit(one, quantum=QUANTUM).held_out for one in (mixed, table))
    assert own.mape < other.mape + 0.01
    measured = {network.job: network.seconds.median for network in mixed.rows}
    assert own.measured_s == tuple(measured[job] for job in own.jobs), "what was measured stays"


def test_an_estimate_at_another_pace(table: LatencyTable) -> None:
    predictor = Predictor.fit(table, quantum=QUANTUM)
    units = [unit.key for unit in table.networks[0].pieces]
    usual, slow = predictor.estimate(units), predictor.estimate(units, math.log(2))
    expected = predictor.pace.seconds(np.array([usual.seconds]), math.log(2))
    assert slow.seconds == pytest.approx(float(expected[0]))
    assert slow.seconds > usual.seconds
    assert slow.high / slow.seconds == pytest.approx(usual.high / usual.seconds)


def test_dependence_stays_within_what_is_possible() -> None:
    assert Pace(1.0, 0.1).moved(-1.0).dependence == 0.0
    assert Pace(1.0, 0.1).moved(1.0).dependence == MOST
