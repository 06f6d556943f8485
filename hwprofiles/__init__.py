"""What is this machine, and what is one trustworthy timing?"""

from .conditions import Counters, conditions_between, read_counters
from .errors import ArtefactError, LatheError, RuntimeUnavailableError, UnstableError
from .isolation import IsolatedProfiler
from .measurement import Difference, Measurement
from .pinning import pinned
from .probe import probe
from .profile import HardwareProfile
from .protocol import PROTOCOLS, TimingProtocol, verify_protocol
from .runtimes import (
    DEFAULT_LAW,
    RUNTIMES,
    VALUES_FILE,
    FakeClock,
    InputSpec,
    NodeTime,
    NullRuntime,
    Runtime,
    Session,
    StaircaseLaw,
    TargetStatus,
    available_targets,
    get_runtime,
    unavailable,
)
from .shipped import ShippedProfile, Steadiness, shipped_profiles
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
from .target import PRECISION_NAMES, RUNTIME_NAMES, Target
from .timing import compare, compare_files, compare_on
from .units import Quantity, format_interval, format_percent, format_seconds, parse_quantity

__all__ = [
    "ArtefactError",
    "Counters",
    "DEFAULT_LAW",
    "Difference",
    "FakeClock",
    "HardwareProfile",
    "InputSpec",
    "Interval",
    "IsolatedProfiler",
    "LatheError",
    "MIN_SAMPLES",
    "Measurement",
    "NodeTime",
    "NullRuntime",
    "PRECISION_NAMES",
    "PROTOCOLS",
    "Quantity",
    "RUNTIMES",
    "RUNTIME_NAMES",
    "Runtime",
    "RuntimeUnavailableError",
    "Session",
    "ShippedProfile",
    "StaircaseLaw",
    "Steadiness",
    "Target",
    "TargetStatus",
    "TimingProtocol",
    "UnstableError",
    "VALUES_FILE",
    "available_targets",
    "bimodal_gap",
    "compare",
    "compare_files",
    "compare_on",
    "conditions_between",
    "coverage",
    "drift",
    "drift_error",
    "format_interval",
    "format_percent",
    "format_seconds",
    "get_runtime",
    "group_inflation",
    "interval_ranks",
    "median",
    "median_interval",
    "outliers",
    "parse_quantity",
    "percentile_samples",
    "pinned",
    "probe",
    "ratio_interval",
    "read_counters",
    "shipped_profiles",
    "unavailable",
    "upper_percentile",
    "variance_inflation",
    "verify_protocol",
]
