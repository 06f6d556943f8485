"""Pure statistics of timings: order-statistic intervals, sample counts, drift, bimodality.

Everything here is free of assumptions about the distribution: ranks come from the exact binomial law (David and
Nagaraja, Order Statistics, 2003, section 7.1; sample counts as in MLPerf's early stopping).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..files import check_shape

# Fewer samples than this give no interval. It is the least number whose second largest is, at 95 %, an upper bound
# of the median: below it, one disturbed sample decides.
MIN_SAMPLES = 8

# Autocorrelation and quartiles of fewer samples than this are mostly chance.
MIN_ORDERED = 16

# Two groups are told apart only where each holds this share of the samples ...
_LEAST_GROUP = 0.25
# ... and the gap between them takes more than this share of the whole range.
_GAP_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with its distribution-free confidence interval.

    Attributes:
        median: Of the samples.
        low: Lower end, an order statistic of the samples.
        high: Upper end, an order statistic of the samples.
        confidence: Least probability that the interval holds the true median, as asked for.
    """

    median: float
    low: float
    high: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not self.low <= self.median <= self.high:
            raise ValueError(f"`low <= median <= high` must hold, but got {self.low}, {self.median}, {self.high}.")
        _check_fraction("confidence", self.confidence)

    @property
    def relative_half_width(self) -> float:
        """Half of the interval's width as a fraction of the median."""
        return (self.high - self.low) / 2 / self.median if self.median > 0 else math.inf

    def times(self, factor: float) -> Interval:
        """Return the interval in another unit, or at another speed: all of it times a factor above zero."""
        return Interval(self.median * factor, self.low * factor, self.high * factor, self.confidence)

    def to_json(self) -> dict[str, float]:
        """Return the interval as the JSON object that files hold."""
        return {"median": self.median, "low": self.low, "high": self.high, "confidence": self.confidence}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Interval:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is none, or not in order.
        """
        check_shape(data, dict.fromkeys(("median", "low", "high", "confidence"), float), "an interval")
        return cls(data["median"], data["low"], data["high"], data["confidence"])

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def median(values: Sequence[float]) -> float:
    """Return the median; the mean of the two middle values of an even number.

    Raises:
        ValueError: There are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("A median needs at least one value, but got none.")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else ordered[half - 1] + (ordered[half] - ordered[half - 1]) / 2


def coverage(n: int, low: int, high: int) -> float:
    """Return the probability that the order statistics of ranks `low` and `high` enclose the median.

    Exact for any continuous distribution: ``P(low <= Binomial(n, 1/2) < high)``; at least that for others.

    Args:
        n: Number of samples.
        low: Rank of the lower end, from 1.
        high: Rank of the upper end, up to `n`.

    Raises:
        ValueError: The ranks are not in order inside 1 ... n.
    """
    if not 1 <= low < high <= n:
        raise ValueError(f"`1 <= low < high <= n` must hold, but got {low=}, {high=}, {n=}.")
    enclosing: int = sum(math.comb(n, k) for k in range(low, high))
    return enclosing / (1 << n)


@lru_cache(maxsize=1024)
def interval_ranks(n: int, confidence: float = 0.95) -> tuple[int, int] | None:
    """Return the ranks of the narrowest symmetric interval of the median, or None where `n` samples are too few.

    Args:
        n: Number of samples.
        confidence: Least coverage of the interval, a fraction.

    Raises:
        ValueError: `confidence` is not inside (0, 1).
    """
    _check_fraction("confidence", confidence)
    outside = 0  # of 2**n equally likely sign patterns, those below rank `low`
    low = 0
    while low < n // 2:
        outside += math.comb(n, low)
        # In integers, so that large `n` stays exact: 1 - 2 * outside / 2**n >= confidence.
        if 2 * outside > (1 - confidence) * 2**n:
            break
        low += 1
    return (low, n + 1 - low) if low >= 1 else None


def median_interval(values: Sequence[float], confidence: float = 0.95, inflation: float = 1.0) -> Interval | None:
    """Return the median of the samples with its order-statistic interval.

    Args:
        values: Samples in any order.
        confidence: Least coverage of the interval, a fraction.
        inflation: Factor, at least 1, by which samples that resemble their neighbours raise the variance of the
            median (see `variance_inflation`); the ranks move outwards by its root, at most to the whole range.

    Returns:
        The interval, or None for fewer than `MIN_SAMPLES` samples or fewer than the confidence needs.
    """
    ranks = interval_ranks(len(values), confidence)
    if ranks is None or len(values) < MIN_SAMPLES:
        return None
    middle = (len(values) + 1) / 2
    low = max(1, math.floor(middle - (middle - ranks[0]) * math.sqrt(max(1.0, inflation))))
    ordered = sorted(values)
    return Interval(median(ordered), ordered[low - 1], ordered[len(values) - low], confidence)


@lru_cache(maxsize=256)
def _signed_rank_spare(n: int, confidence: float) -> int | None:
    """Return the largest k with ``P(signed-rank sum of n samples <= k) <= (1 - confidence) / 2``, exactly."""
    # ways[w]: of the 2**n sign patterns, those whose positive ranks add up to w.
    ways = [1]
    for rank in range(1, n + 1):
        ways = [
            (ways[w] if w < len(ways) else 0) + (ways[w - rank] if w >= rank else 0) for w in range(len(ways) + rank)
        ]
    below, k = 0, -1
    for count in ways:
        below += count
        if 2 * below > (1 - confidence) * 2**n:
            break
        k += 1
    return k if k >= 0 else None


def ratio_interval(ratios: Sequence[float], confidence: float = 0.99, inflation: float = 1.0) -> Interval | None:
    """Return the middle of paired ratios with its signed-rank interval (Hodges and Lehmann), on logarithms.

    A fifth narrower than that of the median for normal noise. It assumes that the ratio's logarithm is symmetric
    about its middle. For two equal contestants that is so by their exchangeability, whatever the distribution.

    Args:
        ratios: Above 0, in any order.
        confidence: Least coverage, exact for independent samples.
        inflation: As in `median_interval`.

    Returns:
        The interval, or None for fewer than `MIN_SAMPLES` samples or fewer than confidence and inflation need.
    """
    n = len(ratios)
    spare = _signed_rank_spare(n, confidence)
    if n < MIN_SAMPLES or spare is None:
        return None
    logs = sorted(math.log(ratio) for ratio in ratios)
    # Of all means of two samples (a sample with itself included), those of rank spare + 1 from both ends.
    means = sorted((logs[i] + logs[j]) / 2 for i in range(n) for j in range(i, n))
    middle = (len(means) - 1) / 2
    low = math.floor(middle - (middle - spare) * math.sqrt(max(1.0, inflation)))
    if low < 0:
        return None
    return Interval(math.exp(median(means)), math.exp(means[low]), math.exp(means[-1 - low]), confidence)


def variance_inflation(values: Sequence[float]) -> float:
    """Return by how much the likeness of neighbouring samples raises the variance of their median, at least 1.

    ``1 + 2 * (sum of the autocorrelations of the ranks)``, up to the first lag whose autocorrelation is within one
    standard error (1 / sqrt(n)) of zero. Ranks, so that single outliers neither hide nor make it.

    Args:
        values: Samples in the order in which they were taken. Fewer than `MIN_ORDERED` say nothing: 1 is returned.
    """
    n = len(values)
    if n < MIN_ORDERED:
        return 1.0
    order = sorted(range(n), key=lambda index: values[index])
    ranks = [0.0] * n
    for rank, index in enumerate(order):
        ranks[index] = rank - (n - 1) / 2
    variance = math.fsum(rank * rank for rank in ranks)
    if values[order[0]] == values[order[-1]]:
        return 1.0
    total = 0.0
    for lag in range(1, n // 4 + 1):
        correlation = math.fsum(a * b for a, b in zip(ranks, ranks[lag:], strict=False)) / variance
        if correlation <= 1 / math.sqrt(n):
            break
        total += correlation
    return 1 + 2 * total


def outliers(values: Sequence[float]) -> int:
    """Return how many samples lie over three interquartile ranges outside the quartiles (Tukey's far outliers).

    None are told among fewer than `MIN_ORDERED` samples, whose quartiles are mostly chance.
    """
    if len(values) < MIN_ORDERED:
        return 0
    ordered = sorted(values)
    quarter = len(ordered) // 4
    low, high = ordered[quarter], ordered[-1 - quarter]
    # Where half of the samples are equal, rounding is not an outlier.
    reach = 3 * max(high - low, 1e-6 * abs(median(ordered)))
    return sum(not low - reach <= value <= high + reach for value in ordered)


def percentile_samples(percentile: float, confidence: float = 0.95, spare: int = 1) -> int:
    """Return how many samples an upper bound of a percentile needs, the `spare` largest left out.

    The least n with ``P(Binomial(n, 1 - percentile) <= spare) <= 1 - confidence``.

    Args:
        percentile: Such as 0.99.
        confidence: Least probability that the bound holds.
        spare: Samples above the bound, so that single outliers do not decide.

    Raises:
        ValueError: A fraction is not inside (0, 1), or `spare` is negative.
    """
    _check_fraction("percentile", percentile)
    _check_fraction("confidence", confidence)
    if spare < 0:
        raise ValueError(f"`spare` must not be negative, but got {spare}.")
    n = spare + 1
    while _at_most(spare, n, 1 - percentile) > 1 - confidence:
        n += 1
    return n


def upper_percentile(
    values: Sequence[float], percentile: float, confidence: float = 0.95, inflation: float = 1.0
) -> float | None:
    """Return an upper confidence bound of a percentile, or None where the samples are too few for one.

    Args:
        values: Samples in any order.
        percentile: Such as 0.9.
        confidence: Least probability that the bound holds.
        inflation: Factor, at least 1, by which samples that come in like groups count for fewer (see
            `group_inflation`).
    """
    n = math.floor(len(values) / max(1.0, inflation))
    if n < percentile_samples(percentile, confidence):
        return None
    spare = 1
    while _at_most(spare + 1, n, 1 - percentile) <= 1 - confidence:
        spare += 1
    return sorted(values)[math.ceil(len(values) * (n - spare) / n) - 1]


def group_inflation(groups: Sequence[Sequence[float]], percentile: float) -> float:
    """Return for how many like samples one counts where samples come in groups, at least 1 (the design effect).

    The variance over groups of the share of samples above the percentile, against what independent samples would show.

    Args:
        groups: Samples of each group, such as the runs of each window.
        percentile: Such as 0.9.
    """
    everything = sorted(value for group in groups for value in group)
    if len(groups) < 2 or not everything:
        return 1.0
    bound = everything[math.ceil(percentile * len(everything)) - 1]
    # Where the bound itself is the largest value, those that reach it are counted.
    reach = everything[-1] == bound
    above = [sum(value > bound or (reach and value == bound) for value in group) for group in groups]
    share = sum(above) / len(everything)
    if not 0 < share < 1:
        return 1.0
    spread = math.fsum((count - share * len(group)) ** 2 for count, group in zip(above, groups, strict=True))
    return max(1.0, spread / (share * (1 - share) * len(everything)))


def drift(values: Sequence[float]) -> float:
    """Return by how much the later half differs from the earlier one, as a fraction of the median of all.

    Medians are compared, and the middle value of an odd number belongs to neither half. Zero for fewer than two.
    """
    half = len(values) // 2
    if half == 0:
        return 0.0
    return (median(values[-half:]) - median(values[:half])) / median(values)


def drift_error(values: Sequence[float]) -> float:
    """Return `drift` in units of its own standard error, which the spread inside the two halves tells; 0 without one.

    A half of n normal samples with the standard deviation s has a median with the standard error 1.25 s / sqrt(n);
    s is taken from the median deviation, so that outliers do not hide a drift.
    """
    half = len(values) // 2
    if half < 2:
        return 0.0
    halves = values[:half], values[-half:]
    deviations = [abs(value - median(part)) for part in halves for value in part]
    difference = median(halves[1]) - median(halves[0])
    error = 1.25 * 1.4826 * median(deviations) * math.sqrt(2 / half)
    if difference == 0:
        return 0.0
    return difference / error if error > 0 else math.copysign(math.inf, difference)


def bimodal_gap(values: Sequence[float]) -> float:
    """Return the gap between two groups of samples as a fraction of their median; zero where there is one group.

    There are two groups where each holds at least a quarter of the samples and the gap between them takes more than
    half of the whole range.
    """
    ordered = sorted(values)
    least = max(2, math.ceil(_LEAST_GROUP * len(ordered)))
    gaps = [ordered[split] - ordered[split - 1] for split in range(least, len(ordered) - least + 1)]
    widest = max(gaps, default=0.0)
    if not gaps or widest <= _GAP_SHARE * (ordered[-1] - ordered[0]):
        return 0.0
    return widest / median(ordered)


def _at_most(k: int, n: int, probability: float) -> float:
    """Return ``P(Binomial(n, probability) <= k)``; by logarithms, so that thousands of samples do not underflow."""
    odds = math.log(probability), math.log1p(-probability)
    whole = math.lgamma(n + 1)
    return math.fsum(
        math.exp(whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * odds[0] + (n - i) * odds[1])
        for i in range(min(k, n) + 1)
    )


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"`{name}` must be inside (0, 1), but got {value!r}.")
