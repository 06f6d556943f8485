"""What a comparison measured: raw windows and conditions are stored, statistics are computed.

Format history of the measurement: 1 (2026-11): first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from .errors import UnstableError
from .judgement import judge_ratios, judge_raw
from .protocol import TimingProtocol
from .stats import Interval, median_interval

MEASUREMENT_FORMAT = 1

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
        object.__setattr__(self, "starts_s", tuple(float(value) for value in self.starts_s))
        object.__setattr__(self, "notes", tuple(self.notes))
        for mapping in ("runs_per_turn", "conditions", "versions"):
            object.__setattr__(self, mapping, MappingProxyType(dict(getattr(self, mapping))))

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
        """Return the median of the paired ratios to the canary over windows; None for too few windows."""
        return median_interval(self.ratios(name), self.protocol.confidence)

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

    def difference(self, name: str) -> Difference:
        """Return what the comparison says about a contestant against the canary."""
        interval = self.ratio(name)
        if interval is None or self.judge_ratio(name):
            return "unstable"
        if interval.high < 1 - _ROUNDING:
            return "faster"
        return "slower" if interval.low > 1 + _ROUNDING else "no difference"

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
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The format is not one that this version reads, or a value is not legal.
        """
        if data.get("format") != MEASUREMENT_FORMAT:
            raise ValueError(
                f"This version reads format {MEASUREMENT_FORMAT} of a measurement, but got {data.get('format')!r}."
            )
        values = {name: value for name, value in data.items() if name != "format"}
        odd = sorted(set(values) ^ {field.name for field in fields(cls)})
        if odd:
            raise ValueError(f"A measurement of format {MEASUREMENT_FORMAT} has fields missing or unknown: {odd}.")
        return cls(**{**values, "protocol": TimingProtocol.from_json(data["protocol"])})

    def _of(self, name: str) -> tuple[float, ...]:
        if name not in self.windows:
            raise ValueError(f"A contestant must be one of {list(self.names)}, but got {name!r}.")
        return self.windows[name]


def _trusted(interval: Interval | None, reasons: tuple[str, ...]) -> Interval:
    if interval is None or reasons:
        raise UnstableError(reasons)
    return interval
