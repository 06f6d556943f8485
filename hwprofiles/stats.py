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

# Fewer samples than this give no interval. It is the least number whose second largest is, at 95 %, an upper bound
# of the median: below it, one disturbed sample decides.
MIN_SAMPLES = 8

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

    def to_json(self) -> dict[str, float]:
        """Return the interval as the JSON object that files hold."""
        return {"median": self.median, "low": self.low, "high": self.high, "confidence": self.confidence}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Interval:
        """Read what `to_json` wrote."""
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


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return the median of the samples with its order-statistic interval.

    Args:
        values: Samples in any order.
        confidence: Least coverage of the interval, a fraction.

    Returns:
        The interval, or None for fewer than `MIN_SAMPLES` samples or fewer than the confidence needs.
    """
    ranks = interval_ranks(len(values), confidence)
    if ranks is None or len(values) < MIN_SAMPLES:
        return None
    ordered = sorted(values)
    return Interval(median(ordered), ordered[ranks[0] - 1], ordered[ranks[1] - 1], confidence)


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


def upper_percentile(values: Sequence[float], percentile: float, confidence: float = 0.95) -> float | None:
    """Return an upper confidence bound of a percentile, or None where the samples are too few for one.

    Args:
        values: Samples in any order.
        percentile: Such as 0.9.
        confidence: Least probability that the bound holds.
    """
    n = len(values)
    if n < percentile_samples(percentile, confidence):
        return None
    spare = 1
    while _at_most(spare + 1, n, 1 - percentile) <= 1 - confidence:
        spare += 1
    return sorted(values)[n - 1 - spare]


def drift(values: Sequence[float]) -> float:
    """Return by how much the later half differs from the earlier one, as a fraction of the median of all.

    Medians are compared, and the middle value of an odd number belongs to neither half. Zero for fewer than two.
    """
    half = len(values) // 2
    if half == 0:
        return 0.0
    return (median(values[-half:]) - median(values[:half])) / median(values)


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
    terms = (math.comb(n, i) * probability**i * (1 - probability) ** (n - i) for i in range(min(k, n) + 1))
    return math.fsum(terms)


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"`{name}` must be inside (0, 1), but got {value!r}.")
