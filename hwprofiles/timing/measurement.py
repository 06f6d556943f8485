"""What a comparison measured: raw windows and conditions are stored, statistics are computed.

Format history of the measurement: 1 (2026-11): first; 2 (2026-11): single runs (`runs_s`), none in format 1;
3 (2026-11): the protocol's `lead_runs`, 0 in formats 1 and 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from ..errors import UnstableError
from ..files import check_shape
from .judgement import judge_ratios, judge_raw
from .protocol import TimingProtocol
from .stats import (
    Interval,
    group_inflation,
    median_interval,
    percentile_samples,
    ratio_interval,
    upper_percentile,
    variance_inflation,
)

MEASUREMENT_FORMAT = 3

# Fields that a later format added, with what a file of an earlier one means.
_ADDED: Mapping[str, Any] = {"runs_s": {}}

# What is stored, before its values are looked at.
_SHAPE: Mapping[str, Any] = {
    "canary": str,
    "windows": {str: [float]},
    "starts_s": [float],
    "runs_per_turn": {str: int},
    "turns_per_window": int,
    "protocol": {str: (float, bool)},
    "conditions": {str: (float, bool, str, None)},
    "versions": {str: str},
    "date": (str, None),
    "notes": [str],
    "runs_s?": {str: [float]},
}

# `difference` speaks of at least this much, as a fraction: less is not worth an answer, and two copies of one file may
# differ by some of it for real, by where in memory they lie.
LEAST_DIFFERENCE = 0.01

# "no difference" is said only where one of this size, as a fraction, is excluded; else the answer is "unstable".
EXCLUDED_DIFFERENCE = 0.03

# Confidence of the interval that `difference` looks at.
DIFFERENCE_CONFIDENCE = 0.99

# Differences of readings of a clock are exact to no more than this; it matters where nothing else is noisy.
_ROUNDING = 1e-9

Difference = Literal["faster", "slower", "no difference", "unstable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Windows of several contestants that were timed in turn with a canary.

    Attributes:
        canary: Name of the contestant that the others' ratios are taken to.
        windows: Contestant -> seconds per run of each window, shape (n_windows,) each; the canary is one of them.
        starts_s: Start of each window, in seconds since the comparison began.
        runs_per_turn: Contestant -> runs in a turn, as calibrated.
        turns_per_window: Rounds in a window, as planned.
        protocol: What was asked for.
        conditions: Name -> value during the windows, None where unknown (see `conditions_between`).
        versions: Library -> version.
        date: ISO 8601 in UTC, or None where unknown.
        notes: Sentences about what happened on the way, such as discarded windows.
        runs_s: Contestant -> seconds of each single run, in order and equally many in each window; empty where the
            protocol did not ask for them or runs are too short to be timed one by one.
    """

    canary: str
    windows: Mapping[str, tuple[float, ...]]
    starts_s: tuple[float, ...]
    runs_per_turn: Mapping[str, int]
    turns_per_window: int
    protocol: TimingProtocol
    conditions: Mapping[str, float | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    date: str | None = None
    notes: tuple[str, ...] = ()
    runs_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        windows = {name: tuple(float(value) for value in values) for name, values in self.windows.items()}
        if self.canary not in windows:
            raise ValueError(f"The canary must be a contestant, but {self.canary!r} is not one of {sorted(windows)}.")
        counts = {name: len(values) for name, values in windows.items()}
        if set(counts.values()) != {len(self.starts_s)}:
            raise ValueError(f"All contestants have one value a window, but {len(self.starts_s)=} and {counts}.")
        for name, values in windows.items():
            if not all(math.isfinite(value) and value > 0 for value in values):
                raise ValueError(f"Seconds must be finite and above 0, but contestant {name!r} has {values}.")
        object.__setattr__(self, "windows", MappingProxyType(windows))
        object.__setattr__(self, "runs_s", MappingProxyType(self._checked_runs()))
        object.__setattr__(self, "starts_s", tuple(float(value) for value in self.starts_s))
        object.__setattr__(self, "notes", tuple(self.notes))
        for mapping in ("runs_per_turn", "conditions", "versions"):
            object.__setattr__(self, mapping, MappingProxyType(dict(getattr(self, mapping))))

    def _checked_runs(self) -> dict[str, tuple[float, ...]]:
        runs = {name: tuple(float(value) for value in values) for name, values in self.runs_s.items()}
        for name, values in runs.items():
            if name not in self.windows or (values and (not self.starts_s or len(values) % len(self.starts_s))):
                raise ValueError(
                    f"Single runs belong to a contestant and are equally many in each of the {len(self.starts_s)} "
                    f"windows, but there are {len(values)} of {name!r}."
                )
            if not all(math.isfinite(value) and value >= 0 for value in values):
                raise ValueError(f"Seconds of single runs must be finite and not negative, but {name!r} has others.")
        return runs

    @property
    def names(self) -> tuple[str, ...]:
        """Contestants in the order they were given, the canary included."""
        return tuple(self.windows)

    @property
    def n_windows(self) -> int:
        """Number of windows that were kept."""
        return len(self.starts_s)

    def ratios(self, name: str) -> tuple[float, ...]:
        """Return the ratio to the canary in each window, shape (n_windows,); below 1 is faster."""
        return tuple(own / canary for own, canary in zip(self._of(name), self._of(self.canary), strict=True))

    def seconds(self, name: str) -> Interval | None:
        """Return the median seconds per run over windows; None for too few windows."""
        return median_interval(self._of(name), self.protocol.confidence)

    def ratio(self, name: str) -> Interval | None:
        """Return the median of the paired ratios to the canary over windows; None for too few windows.

        Windows that resemble their neighbours widen the interval (see `variance_inflation`).
        """
        ratios = self.ratios(name)
        return median_interval(ratios, self.protocol.confidence, variance_inflation(ratios))

    def compared(self, name: str) -> Interval | None:
        """Return the 99 % interval of the paired ratio that `difference` looks at; None for too few windows."""
        ratios = self.ratios(name)
        return ratio_interval(ratios, DIFFERENCE_CONFIDENCE, variance_inflation(ratios))

    def upper_seconds(self, name: str, percentile: float) -> float | None:
        """Return an upper confidence bound of a percentile of single runs' seconds; None for too few runs.

        Disturbed runs come in clusters: runs count for fewer where windows differ in how many are slow. The bound is
        for the time that was sampled; it knows nothing of a disturbance that comes once an hour.

        Args:
            name: Of the contestant.
            percentile: Such as 0.99.
        """
        return upper_percentile(
            self.runs_s.get(name, ()), percentile, self.protocol.confidence, self._inflation(name, percentile)
        )

    def missing_runs(self, name: str, percentile: float) -> int:
        """Return about how many more single runs `upper_seconds` needs; 0 where there are enough."""
        needed = percentile_samples(percentile, self.protocol.confidence) * self._inflation(name, percentile)
        return max(0, math.ceil(needed) - len(self.runs_s.get(name, ())))

    def _inflation(self, name: str, percentile: float) -> float:
        self._of(name)
        runs = self.runs_s.get(name, ())
        each = len(runs) // max(1, self.n_windows)
        return group_inflation([runs[i : i + each] for i in range(0, len(runs), max(1, each))], percentile)

    def stable_seconds(self, name: str) -> Interval:
        """Return `seconds` of a contestant.

        Raises:
            UnstableError: `judge_seconds` found reasons not to trust it.
        """
        return _trusted(self.seconds(name), self.judge_seconds(name))

    def stable_ratio(self, name: str) -> Interval:
        """Return `ratio` of a contestant.

        Raises:
            UnstableError: `judge_ratio` found reasons not to trust it.
        """
        return _trusted(self.ratio(name), self.judge_ratio(name))

    def judge_seconds(self, name: str) -> tuple[str, ...]:
        """Return why a contestant's raw seconds are unstable; nothing where they are not."""
        return judge_raw(self._of(name), self.protocol.confidence, self.conditions)

    def judge_ratio(self, name: str) -> tuple[str, ...]:
        """Return why a contestant's ratio is unstable; nothing where it is not."""
        return judge_ratios(self.ratios(name), self.protocol.confidence, self.conditions)

    @property
    def judgement(self) -> tuple[str, ...]:
        """Why the comparison as a whole is unstable: its ratios, or the canary's seconds where it ran alone."""
        others = [name for name in self.names if name != self.canary]
        if not others:
            return self.judge_seconds(self.canary)
        sentences = [f"{name}: {sentence}" for name in others for sentence in self.judge_ratio(name)]
        return tuple(sentences)

    @property
    def stable(self) -> bool:
        """Whether the comparison found nothing against itself."""
        return not self.judgement

    def difference(
        self, name: str, least: float = LEAST_DIFFERENCE, excluded: float = EXCLUDED_DIFFERENCE
    ) -> Difference:
        """Return what the comparison says about a contestant against the canary, at the 1 % level.

        The 99 % interval of the paired ratio decides. It must lie wholly beyond ``1 -/+ least`` for "faster" or
        "slower", and wholly inside ``1 -/+ excluded`` for "no difference": not having seen one is not enough. What
        allows neither is "unstable", as is a comparison that found something against itself.

        Args:
            name: Of the contestant.
            least: Smallest difference that is called one, as a fraction.
            excluded: Size of the difference that "no difference" rules out, as a fraction, at least `least`.

        Raises:
            ValueError: There is no such contestant, or `least` and `excluded` are not in order.
        """
        if not 0 <= least <= excluded:
            raise ValueError(f"`0 <= least <= excluded` must hold, but got {least}, {excluded}.")
        interval = self.compared(name)
        if interval is None or self.judge_ratio(name):
            return "unstable"
        if interval.high < 1 - least - _ROUNDING:
            return "faster"
        if interval.low > 1 + least + _ROUNDING:
            return "slower"
        within = 1 - excluded - _ROUNDING <= interval.low and interval.high <= 1 + excluded + _ROUNDING
        return "no difference" if within else "unstable"

    def pair(self, name: str, called: str) -> Measurement:
        """Return what was measured of one contestant and the canary alone.

        Args:
            name: A contestant other than the canary.
            called: Its name in what is returned, other than the canary's.

        Raises:
            ValueError: There is no such contestant, or a name is the canary's.
        """
        self._of(name)
        if self.canary in (name, called):
            raise ValueError(f"A pair is a contestant and the canary {self.canary!r}, but got {name!r} as {called!r}.")
        names = {name: called, self.canary: self.canary}
        return replace(
            self,
            windows={names[own]: values for own, values in self.windows.items() if own in names},
            runs_per_turn={names[own]: runs for own, runs in self.runs_per_turn.items() if own in names},
            runs_s={names[own]: values for own, values in self.runs_s.items() if own in names},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the measurement as the JSON object that files hold; nothing is lost."""
        return {
            "format": MEASUREMENT_FORMAT,
            "canary": self.canary,
            "windows": {name: list(values) for name, values in self.windows.items()},
            "starts_s": list(self.starts_s),
            "runs_per_turn": dict(self.runs_per_turn),
            "turns_per_window": self.turns_per_window,
            "protocol": self.protocol.to_json(),
            "conditions": dict(self.conditions),
            "versions": dict(self.versions),
            "date": self.date,
            "notes": list(self.notes),
            "runs_s": {name: list(values) for name, values in self.runs_s.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The format is not one that this version reads, or a value is not legal.
        """
        check_shape(data, {"format": int}, "a measurement")
        version = data["format"]
        if version not in range(1, MEASUREMENT_FORMAT + 1):
            raise ValueError(
                f"This version reads the formats 1 to {MEASUREMENT_FORMAT} of a measurement, but got {version!r}."
            )
        values = {name: value for name, value in data.items() if name != "format"}
        known = {field.name for field in fields(cls)} - (set(_ADDED) if version == 1 else set())
        odd = sorted(set(values) ^ known)
        if odd:
            raise ValueError(f"A measurement of format {version} has fields missing or unknown: {odd}.")
        check_shape(values, _SHAPE, "a measurement")
        values = {**_ADDED, **values}
        return cls(**{**values, "protocol": TimingProtocol.from_json(data["protocol"])})

    def _of(self, name: str) -> tuple[float, ...]:
        if name not in self.windows:
            raise ValueError(f"A contestant must be one of {list(self.names)}, but got {name!r}.")
        return self.windows[name]


def _trusted(interval: Interval | None, reasons: tuple[str, ...]) -> Interval:
    if interval is None or reasons:
        raise UnstableError(reasons)
    return interval
