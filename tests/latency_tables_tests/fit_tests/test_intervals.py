"""Estimates' intervals hold what is measured, and a disturbed timing spoils no other prediction."""

import dataclasses

import numpy as np
import pytest

from hwprofiles import Interval
from latency_tables import HeldOut, LatencyTable, Predictor
from latency_tables.fit.validate import FEWEST_STRETCHED, MIN_STRETCHED

from ..chains import QUANTUM, job, keys, null_runtime, random_widths
from ..conftest import Fill

NOISE = 0.08
"""Of single runs; a network's ratio, the median of 8 windows, then varies by about 1 %."""


def test_intervals_hold_95_of_100_unseen_networks(fill: Fill) -> None:
    timed = random_widths(80, seed=1)
    unseen = [widths for widths in random_widths(280, seed=77) if widths not in timed][:200]
    table = fill([job(widths) for widths in [*timed, *unseen]], null_runtime(noise=NOISE))
    wanted = {job(widths).key: widths for widths in unseen}
    seen = dataclasses.replace(table, rows=tuple(row for row in table.rows if row.job not in wanted))
    predictor = Predictor.fit(seen, quantum=QUANTUM)
    inside = []
    for row in table.rows:
        if row.job in wanted:
            estimate = predictor.estimate(keys(wanted[row.job]))
            inside.append(estimate.low <= row.seconds.median <= estimate.high)
            assert estimate.high < 1.1 * estimate.low, "an interval that says nothing holds everything"
    assert len(inside) == 200
    assert 0.9 <= np.mean(inside) <= 1.0


def test_stretch_is_the_spread_of_the_deviations_where_there_are_enough() -> None:
    n = MIN_STRETCHED
    jobs, seconds = tuple(map(str, range(n))), (1.0,) * n
    assert HeldOut(jobs, seconds, seconds, deviations=(2.0, -2.0) * (n // 2)).stretch == pytest.approx(2.0)
    few = (jobs[1:], seconds[1:], seconds[1:])
    assert HeldOut(*few, deviations=(*(2.0,) * (n - 2), 100.0)).stretch == pytest.approx(2.965, rel=1e-3)
    assert HeldOut(*few, deviations=(0.1,) * (n - 1)).stretch == 1.0, "few never narrow an interval"
    fewer = FEWEST_STRETCHED - 1
    assert HeldOut(jobs[:fewer], seconds[:fewer], seconds[:fewer], deviations=(2.0,) * fewer).stretch == 1.0
    assert HeldOut(jobs, seconds, seconds).stretch == 1.0


def test_a_wider_stretch_widens_estimates(fill: Fill) -> None:
    table = fill([job(widths) for widths in random_widths(25, seed=1)], null_runtime(noise=NOISE))
    predictor = Predictor.fit(table, quantum=QUANTUM)
    double = tuple(2 * deviation for deviation in predictor.held_out.deviations)
    wide = dataclasses.replace(predictor, held_out=dataclasses.replace(predictor.held_out, deviations=double))
    one, two = (p.estimate(keys(random_widths(1, seed=5)[0])) for p in (predictor, wide))
    assert one.seconds == two.seconds
    assert np.log(two.high / two.seconds) == pytest.approx(2 * np.log(one.high / one.seconds))
    assert np.log(two.seconds / two.low) == pytest.approx(2 * np.log(one.seconds / one.low))


@pytest.mark.parametrize("factor", [0.4, 3.0])
def test_one_disturbed_timing_spoils_no_other_prediction(table: LatencyTable, factor: float) -> None:
    rows = list(table.rows)
    odd = rows[3]
    rows[3] = dataclasses.replace(
        odd, seconds=Interval(*(factor * end for end in dataclasses.astuple(odd.seconds)[:3]))
    )
    disturbed = Predictor.fit(dataclasses.replace(table, rows=tuple(rows)), quantum=QUANTUM)
    usual = Predictor.fit(table, quantum=QUANTUM)
    for widths in random_widths(40, seed=99):
        ratio = disturbed.estimate(keys(widths)).seconds / usual.estimate(keys(widths)).seconds
        assert ratio == pytest.approx(1.0, abs=0.04)
