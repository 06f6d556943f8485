"""Profiles of machines that were measured, shipped as package data: facts, and how steady timings were there.

They are for reading and for comparing; no timing of one machine is ever used for another.

Format history: 1 (2026-11): first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from ..target import Target
from .profile import HardwareProfile

SHIPPED_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """How steady one network's timings were, in windows in which two copies of it ran in turn.

    Attributes:
        target: Slug.
        date: ISO 8601 in UTC.
        versions: Library -> version.
        network: What was timed, in a few words.
        run_s: Median seconds per run.
        windows: Their number.
        window_s: Seconds from the start of one window to that of the next, the median.
        seconds_cv: Standard deviation of the windows' seconds over their mean.
        ratio_cv: The same of the ratio of the two copies.
    """

    target: str
    date: str
    versions: Mapping[str, str]
    network: str
    run_s: float
    windows: int
    window_s: float
    seconds_cv: float
    ratio_cv: float

    def __post_init__(self) -> None:
        Target.parse(self.target)
        for name in ("run_s", "window_s", "seconds_cv", "ratio_cv"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"`{name}` must be finite and above 0, but got {value!r}.")
        if self.windows < 2:
            raise ValueError(f"A spread needs at least 2 windows, but got {self.windows}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedProfile:
    """A machine that was measured.

    Attributes:
        hardware: Its facts.
        steadiness: What was measured on it, one entry a target.
    """

    hardware: HardwareProfile
    steadiness: tuple[Steadiness, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the profile as the JSON object that files hold."""
        return {
            "format": SHIPPED_FORMAT,
            "hardware": self.hardware.to_json(),
            "steadiness": [asdict(one) for one in self.steadiness],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ShippedProfile:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The format is not one that this version reads, or a field is missing, unknown or not legal.
        """
        if data.get("format") != SHIPPED_FORMAT:
            raise ValueError(
                f"This version reads format {SHIPPED_FORMAT} of a shipped profile, but got {data.get('format')!r}."
            )
        _check_names("A shipped profile", data, {"format", "hardware", "steadiness"})
        for one in data["steadiness"]:
            _check_names("An entry of `steadiness`", one, {field.name for field in fields(Steadiness)})
        measured = tuple(Steadiness(**one) for one in data["steadiness"])
        return cls(hardware=HardwareProfile.from_json(data["hardware"]), steadiness=measured)


def shipped_profiles(folder: Traversable | None = None) -> dict[str, ShippedProfile]:
    """Return fingerprint -> profile of each machine whose profile is shipped.

    Args:
        folder: Where they lie; inside the package where left out.

    Raises:
        ValueError: A file is not a profile, or is not named after its machine's fingerprint; it is named.
    """
    found: dict[str, ShippedProfile] = {}
    place = files(__package__).joinpath("profiles") if folder is None else folder
    for path in sorted(place.iterdir(), key=lambda entry: entry.name):
        if not path.name.endswith(".json"):
            continue
        try:
            profile = ShippedProfile.from_json(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"A shipped profile must be readable, but {path.name} is not: {error}") from error
        fingerprint = profile.hardware.fingerprint
        if path.name != f"{fingerprint}.json":
            raise ValueError(
                f"A shipped profile must be named after its fingerprint, but {path.name} holds {fingerprint}; "
                "rename it."
            )
        found[fingerprint] = profile
    return found


def _check_names(what: str, data: Mapping[str, Any], known: set[str]) -> None:
    odd = sorted(set(data) ^ known)
    if odd:
        raise ValueError(f"{what} has fields missing or unknown: {', '.join(odd)}.")
