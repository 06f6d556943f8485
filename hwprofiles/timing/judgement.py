"""Thresholds above which a measurement calls itself unstable, and the sentences that say so.

Ratios to a canary are judged on the ratios alone: a machine whose speed wanders takes both sides along. Seconds are
judged on the raw windows. The thresholds are wide on purpose; a virtual machine at work is not an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..units import format_percent
from .stats import (
    MIN_SAMPLES,
    bimodal_gap,
    drift,
    drift_error,
    interval_ranks,
    median_interval,
    outliers,
    variance_inflation,
)

# Widest interval, low to high, as a fraction of the median. Raw seconds wander by 9 % (CV) on shared machines.
RATIO_WIDTH = 0.10
SECONDS_WIDTH = 0.30

# Gap between two groups of windows, as a fraction of the median.
RATIO_GAP = 0.05
SECONDS_GAP = 0.20

# Later half of the windows against the earlier one. Only a drift beyond DRIFT_ERRORS of its own standard errors
# counts: halves of a few noisy windows differ by chance.
RATIO_DRIFT = 0.05
SECONDS_DRIFT = 0.20
DRIFT_ERRORS = 3.0

# Share of the windows that may lie far outside the quartiles; the median bears more, but something is wrong then.
OUTLIERS = 0.20

# Change of the clock of the fastest core, where the system shows it.
FREQUENCY_CHANGE = 0.10

# Fraction of the wanted CPU time that the hypervisor gave to others; above it, ratios suffer too.
STEAL = 0.20

# Fraction of the time in which the timing thread waited for its core. Time slices of others add the same to both sides
# of a ratio and draw it towards 1, so that pairing does not help. Below this, the median over turns sheds them.
WAITED = 0.20

# Fraction of the time in which some task waited for a CPU.
PRESSURE = 0.50

# Involuntary context switches a second of wall time; a lone process on a core sees a few.
SWITCHES_PER_S = 200.0

Conditions = Mapping[str, float | None]


def judge_ratios(windows: Sequence[float], confidence: float, conditions: Conditions) -> tuple[str, ...]:
    """Return why ratio windows are not to be trusted, one sentence for each threshold that was crossed."""
    reasons = _shape(windows, confidence, "ratio", RATIO_WIDTH, RATIO_GAP, variance_inflation(windows))
    drifted = _drifted(windows, RATIO_DRIFT, "ratio to the canary") if abs(drift_error(windows)) > DRIFT_ERRORS else ()
    return (*reasons, *drifted, *_taken_away(conditions))


def judge_raw(windows: Sequence[float], confidence: float, conditions: Conditions) -> tuple[str, ...]:
    """Return why raw windows of seconds are not to be trusted, one sentence for each threshold that was crossed."""
    reasons = list(_shape(windows, confidence, "seconds", SECONDS_WIDTH, SECONDS_GAP))
    reasons += _drifted(windows, SECONDS_DRIFT, "seconds")
    reasons += _taken_away(conditions)
    reasons += _above("CPU pressure", conditions.get("pressure"), PRESSURE)
    switches, wall_s = conditions.get("involuntary_switches"), conditions.get("wall_s")
    if switches is not None and wall_s and switches / wall_s > SWITCHES_PER_S:
        reasons.append(
            f"Involuntary context switches must stay below {SWITCHES_PER_S:.0f} a second, but there were "
            f"{switches / wall_s:.0f}; stop what else runs."
        )
    return (*reasons, *_throttled(conditions))


def _taken_away(conditions: Conditions) -> tuple[str, ...]:
    steal = _above("CPU steal", conditions.get("steal"), STEAL)
    return (*steal, *_above("The share of time that the timing waited for its core", conditions.get("waited"), WAITED))


def _throttled(conditions: Conditions) -> tuple[str, ...]:
    reasons = []
    if throttles := conditions.get("throttles"):
        reasons.append(
            f"No core may be throttled while it is timed, but that happened {throttles:.0f} times; cool the machine."
        )
    change = conditions.get("frequency_change")
    if change is not None and abs(change) > FREQUENCY_CHANGE:
        reasons.append(
            f"The CPU's clock must stay within {format_percent(FREQUENCY_CHANGE, 0)}, but it changed by "
            f"{format_percent(change)}; fix the frequency or wait until it has settled."
        )
    return tuple(reasons)


def _drifted(windows: Sequence[float], limit: float, what: str) -> tuple[str, ...]:
    if len(windows) < MIN_SAMPLES or abs(drift(windows)) <= limit:
        return ()
    return (
        f"Drift of the {what} must be at most {format_percent(limit, 0)}, but the later half of the windows differs by "
        f"{format_percent(drift(windows))} from the earlier one; wait for the machine to settle.",
    )


def _shape(
    windows: Sequence[float], confidence: float, what: str, width: float, gap: float, inflation: float = 1.0
) -> tuple[str, ...]:
    interval = median_interval(windows, confidence, inflation)
    if interval is None:
        return (_too_few(len(windows), confidence),)
    reasons = []
    if 2 * interval.relative_half_width > width:
        reasons.append(
            f"The interval of the {what} must be at most {format_percent(width, 0)} of the median wide, but it is "
            f"{format_percent(2 * interval.relative_half_width)}; allow more time or a quieter machine."
        )
    if bimodal_gap(windows) > gap:
        reasons.append(
            f"The windows of the {what} must form one group, but there are two with a gap of "
            f"{format_percent(bimodal_gap(windows))} of the median (limit {format_percent(gap, 0)}); look for what "
            "switches between two states."
        )
    if outliers(windows) > OUTLIERS * len(windows):
        reasons.append(
            f"At most {format_percent(OUTLIERS, 0)} of the windows may be outliers, but {outliers(windows)} of "
            f"{len(windows)} windows of the {what} are; stop what else runs."
        )
    return tuple(reasons)


def _too_few(n: int, confidence: float) -> str:
    needed = MIN_SAMPLES
    while interval_ranks(needed, confidence) is None:
        needed += 1
    return f"An interval needs at least {needed} windows, but there are {n}; allow more windows."


def _above(what: str, value: float | None, limit: float) -> tuple[str, ...]:
    if value is None or value <= limit:
        return ()
    return (
        f"{what} must be at most {format_percent(limit, 0)}, but was {format_percent(value)}; use a quieter machine.",
    )
