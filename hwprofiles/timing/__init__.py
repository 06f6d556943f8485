"""What one trustworthy timing is: the protocol, the loop, the statistics, the measurement and its judgement."""

from .compare import compare, compare_files, compare_on
from .measurement import Difference, Measurement
from .pinning import pinned
from .protocol import PROTOCOLS, TimingProtocol, table_protocol, verify_protocol
from .stats import (
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
from .surroundings import Surroundings

__all__ = [
    "Difference",
    "Interval",
    "MIN_SAMPLES",
    "Measurement",
    "PROTOCOLS",
    "Surroundings",
    "TimingProtocol",
    "bimodal_gap",
    "compare",
    "compare_files",
    "compare_on",
    "coverage",
    "drift",
    "drift_error",
    "group_inflation",
    "interval_ranks",
    "median",
    "median_interval",
    "outliers",
    "percentile_samples",
    "pinned",
    "ratio_interval",
    "table_protocol",
    "upper_percentile",
    "variance_inflation",
    "verify_protocol",
]
