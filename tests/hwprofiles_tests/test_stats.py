from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import (
    MIN_SAMPLES,
    Interval,
    bimodal_gap,
    coverage,
    drift,
    interval_ranks,
    median,
    median_interval,
    percentile_samples,
    upper_percentile,
)

samples = st.lists(st.floats(1e-6, 1e3), min_size=MIN_SAMPLES, max_size=60)


@pytest.mark.parametrize(
    ("n", "ranks"),
    [(5, None), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (15, (4, 12)), (20, (6, 15)), (30, (10, 21)), (200, (86, 115))],
)
def test_known_ranks(n: int, ranks: tuple[int, int] | None) -> None:
    assert interval_ranks(n, 0.95) == ranks


def exact_coverage(n: int, low: int, high: int) -> float:
    """Count sign patterns: the median is inside unless fewer than `low` or at least `high` samples lie below it."""
    outside: int = sum(math.comb(n, k) for k in (*range(low), *range(high, n + 1)))
    return 1 - outside / (1 << n)


@given(st.integers(1, 400), st.floats(0.5, 0.999))
def test_ranks_cover_and_are_the_narrowest(n: int, confidence: float) -> None:
    ranks = interval_ranks(n, confidence)
    if ranks is None:
        assert n < 2 or exact_coverage(n, 1, n) < confidence
        return
    low, high = ranks
    assert low + high == n + 1
    assert exact_coverage(n, low, high) >= confidence - 1e-12
    assert coverage(n, low, high) == pytest.approx(exact_coverage(n, low, high))
    if low + 1 < high - 1:
        assert exact_coverage(n, low + 1, high - 1) < confidence + 1e-12


def test_interval_covers_the_median_of_a_skewed_law() -> None:
    rng = np.random.default_rng(0)
    hits = [
        math.log(2) in interval
        for interval in map(median_interval, rng.exponential(size=(400, 11)).tolist())
        if interval
    ]
    assert len(hits) == 400
    assert 0.95 <= sum(hits) / 400 <= 1.0


@given(samples, st.randoms(use_true_random=False))
def test_interval_does_not_depend_on_order(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert median_interval(shuffled) == median_interval(values)
    assert bimodal_gap(shuffled) == bimodal_gap(values)


@given(samples, st.floats(0.1, 10))
def test_interval_scales(values: list[float], factor: float) -> None:
    one, other = median_interval(values), median_interval([factor * value for value in values])
    assert one is not None
    assert other is not None
    assert (other.median, other.low, other.high) == pytest.approx(
        (factor * one.median, factor * one.low, factor * one.high)
    )


@given(samples)
def test_median(values: list[float]) -> None:
    assert median(values) == pytest.approx(statistics.median(values))


def test_median_needs_a_value() -> None:
    with pytest.raises(ValueError, match="at least one"):
        median([])


def test_too_few_samples_give_no_interval() -> None:
    assert median_interval([1.0] * (MIN_SAMPLES - 1)) is None
    assert median_interval([1.0] * MIN_SAMPLES) == Interval(1.0, 1.0, 1.0)
    assert median_interval([1.0] * MIN_SAMPLES, confidence=0.999) is None


def test_one_outlier_on_each_side_is_outside_from_nine_samples_on() -> None:
    interval = median_interval([1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 0.1, 100.0])
    assert interval == Interval(1.03, 1.0, 1.06)


def test_interval_checks_itself() -> None:
    with pytest.raises(ValueError, match="low <= median <= high"):
        Interval(1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="low <= median <= high"):
        Interval(math.nan, 2.0, 3.0)
    with pytest.raises(ValueError, match="confidence"):
        Interval(2.0, 1.0, 3.0, confidence=95)


def test_interval_values() -> None:
    interval = Interval(2.0, 1.0, 3.0)
    assert interval.relative_half_width == 0.5
    assert 1.0 in interval
    assert 3.1 not in interval
    assert Interval.from_json(interval.to_json()) == interval


@pytest.mark.parametrize(
    ("percentile", "confidence", "n"),
    [(0.5, 0.95, 8), (0.9, 0.95, 46), (0.95, 0.95, 93), (0.99, 0.95, 473), (0.5, 0.99, 11), (0.9, 0.99, 64)],
)
def test_percentile_samples(percentile: float, confidence: float, n: int) -> None:
    assert percentile_samples(percentile, confidence) == n


def test_percentile_bound_needs_enough_samples() -> None:
    assert upper_percentile(range(45), 0.9) is None
    assert upper_percentile(range(46), 0.9) == 44


def test_percentile_bound_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    bounds = [upper_percentile(row, 0.9) for row in rng.uniform(size=(400, 100)).tolist()]
    assert 0.93 <= sum(bound is not None and bound >= 0.9 for bound in bounds) / 400 < 1


@pytest.mark.parametrize(("low", "high", "n"), [(0, 2, 5), (2, 2, 5), (1, 6, 5)])
def test_coverage_checks_ranks(low: int, high: int, n: int) -> None:
    with pytest.raises(ValueError, match="1 <= low < high <= n"):
        coverage(n, low, high)


@pytest.mark.parametrize("fraction", [0, 1, 95])
def test_fractions_are_checked(fraction: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        interval_ranks(10, fraction)
    with pytest.raises(ValueError, match="percentile"):
        percentile_samples(fraction)


def test_spare_is_checked() -> None:
    with pytest.raises(ValueError, match="spare"):
        percentile_samples(0.9, spare=-1)


def test_drift() -> None:
    assert drift([1.0, 1.0, 1.0, 1.5, 1.5, 1.5]) == pytest.approx(0.5 / 1.25)
    assert drift([1.0, 9.0, 1.0]) == 0.0
    assert drift([1.0]) == 0.0


def test_bimodal_gap() -> None:
    assert bimodal_gap([1.0, 1.01, 1.02, 1.03, 1.2, 1.21, 1.22, 1.23]) == pytest.approx(0.17 / 1.115)
    assert bimodal_gap([1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 2.0]) == 0.0  # an outlier is not a group
    assert bimodal_gap([1.0] * 8) == 0.0
    assert bimodal_gap([1.0, 2.0]) == 0.0


def test_one_noisy_group_is_not_called_two() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(1, 0.02, size=(500, 8)).tolist()
    assert sum(bimodal_gap(row) > 0.05 for row in rows) <= 2
