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
    drift_error,
    group_inflation,
    interval_ranks,
    median,
    median_interval,
    outliers,
    percentile_samples,
    ratio_interval,
    upper_percentile,
    variance_inflation,
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


def autoregressive(rng: np.random.Generator, n: int, keep: float) -> list[float]:
    values = [float(rng.standard_normal())]
    for _ in range(n - 1):
        values.append(keep * values[-1] + math.sqrt(1 - keep**2) * float(rng.standard_normal()))
    return [math.exp(0.02 * value) for value in values]


@pytest.mark.parametrize("keep", [0.0, 0.4])
def test_intervals_hold_for_samples_like_their_neighbours(keep: float) -> None:
    rng = np.random.default_rng(0)
    rows = [autoregressive(rng, 60, keep) for _ in range(400)]
    plain = [median_interval(row) for row in rows]
    wide = [median_interval(row, 0.95, variance_inflation(row)) for row in rows]
    paired = [ratio_interval(row, 0.99, variance_inflation(row)) for row in rows]
    covered = [sum(i is not None and 1 in i for i in found) / 400 for found in (plain, wide, paired)]
    assert covered[1] >= 0.93
    assert covered[2] >= 0.95
    assert (covered[0] < 0.9) == (keep > 0)


def test_variance_inflation() -> None:
    assert variance_inflation(range(15)) == 1.0
    assert variance_inflation([1.0] * 30) == 1.0
    assert variance_inflation(range(30)) > 5
    assert variance_inflation([index % 2 for index in range(30)]) == 1.0


def test_inflation_widens_at_most_to_the_range() -> None:
    plain, wide = median_interval(range(1, 41)), median_interval(range(1, 41), inflation=4.0)
    assert plain is not None
    assert wide is not None
    assert (plain.low, wide.low) == (14, 7)
    assert median_interval(range(1, 41), inflation=1e3) == Interval(20.5, 1, 40)
    assert ratio_interval(range(1, 41), inflation=1e3) is None


def brute_force_spare(n: int, confidence: float) -> int:
    sums = sorted(sum(rank for rank in range(1, n + 1) if pattern >> (rank - 1) & 1) for pattern in range(1 << n))
    return max(k for k in range(n * n) if sum(s <= k for s in sums) <= (1 - confidence) / 2 * 2**n)


@pytest.mark.parametrize(("n", "confidence"), [(8, 0.99), (9, 0.95), (10, 0.99)])
def test_ratio_interval_has_the_ranks_of_the_signed_rank_law(n: int, confidence: float) -> None:
    rng = np.random.default_rng(n)
    values = rng.lognormal(0, 0.1, n).tolist()
    logs = [math.log(value) for value in values]
    means = sorted((logs[i] + logs[j]) / 2 for i in range(n) for j in range(i, n))
    spare = brute_force_spare(n, confidence)
    found = ratio_interval(values, confidence)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((math.exp(means[spare]), math.exp(means[-1 - spare])))


def test_ratio_interval_is_the_same_from_the_other_side() -> None:
    values = np.random.default_rng(0).lognormal(0.1, 0.1, 21).tolist()
    one, other = ratio_interval(values), ratio_interval([1 / value for value in values])
    assert one is not None
    assert other is not None
    assert (other.low, other.median, other.high) == pytest.approx((1 / one.high, 1 / one.median, 1 / one.low))
    assert ratio_interval(values[:7]) is None
    assert ratio_interval([1.0] * 8) == Interval(1.0, 1.0, 1.0, 0.99)


def test_group_inflation() -> None:
    assert group_inflation([], 0.9) == 1.0
    assert group_inflation([[1.0] * 10] * 5, 0.9) == 1.0
    assert group_inflation([[1.0] * 10] * 9 + [[2.0] * 10], 0.9) == pytest.approx(10.0)
    rng = np.random.default_rng(0)
    assert group_inflation(rng.uniform(size=(50, 20)).tolist(), 0.9) < 1.5


def test_percentile_bound_of_groups_is_scaled() -> None:
    assert upper_percentile(range(920), 0.9, inflation=20.0) == 899
    assert upper_percentile(range(919), 0.9, inflation=20.0) is None


def test_percentile_bound_of_many_samples() -> None:
    bound = upper_percentile(range(20000), 0.9)
    assert bound is not None
    assert 18040 <= bound <= 18100


def test_outliers() -> None:
    steady = [1 + 0.1 * index for index in range(15)]
    assert outliers([*steady, 9.0]) == 1
    assert outliers([*steady, 2.5]) == 0
    assert outliers([1.0] * 15 + [1.0001]) == 1
    assert outliers([1.0] * 14 + [100.0]) == 0


def test_drift_error() -> None:
    rng = np.random.default_rng(0)
    steady = [drift_error(row) for row in rng.normal(1, 0.02, (300, 40)).tolist()]
    assert 0.8 <= float(np.std(steady)) <= 1.3
    assert drift_error([1.0, 1.0, 2.0, 2.0]) == math.inf
    assert drift_error([2.0, 2.0, 1.0, 1.0]) == -math.inf
    assert drift_error([1.0] * 8) == 0.0


def test_an_interval_in_another_unit_keeps_its_confidence() -> None:
    assert Interval(2.0, 1.0, 4.0, 0.9).times(0.5) == Interval(1.0, 0.5, 2.0, 0.9)
