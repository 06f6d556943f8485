"""What is this machine, and what is one trustworthy timing?"""

from .conditions import Counters, conditions_between, read_counters
from .errors import ArtefactError, LatheError, RuntimeUnavailableError, UnstableError
from .measurement import Difference, Measurement
from .probe import probe
from .profile import HardwareProfile
from .protocol import PROTOCOLS, TimingProtocol, verify_protocol
from .runtimes import (
    DEFAULT_LAW,
    NOT_BUILT,
    RUNTIMES,
    FakeClock,
    InputSpec,
    NodeTime,
    NullRuntime,
    Runtime,
    RuntimeStatus,
    Session,
    StaircaseLaw,
    available_targets,
    get_runtime,
    unavailable,
)
from .stats import (
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
from .target import PRECISION_NAMES, RUNTIME_NAMES, Target
from .timing import compare, compare_on
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
    "LatheError",
    "MIN_SAMPLES",
    "Measurement",
    "NOT_BUILT",
    "NodeTime",
    "NullRuntime",
    "PRECISION_NAMES",
    "PROTOCOLS",
    "Quantity",
    "RUNTIMES",
    "RUNTIME_NAMES",
    "Runtime",
    "RuntimeStatus",
    "RuntimeUnavailableError",
    "Session",
    "StaircaseLaw",
    "Target",
    "TimingProtocol",
    "UnstableError",
    "available_targets",
    "bimodal_gap",
    "compare",
    "compare_on",
    "conditions_between",
    "coverage",
    "drift",
    "format_interval",
    "format_percent",
    "format_seconds",
    "get_runtime",
    "interval_ranks",
    "median",
    "median_interval",
    "parse_quantity",
    "percentile_samples",
    "probe",
    "read_counters",
    "unavailable",
    "upper_percentile",
    "verify_protocol",
]
