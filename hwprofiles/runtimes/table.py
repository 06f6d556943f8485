"""Runtimes by name, and what of their kinds of targets this machine can time."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from ..catalogue import RUNTIMES
from ..target import Target, near_match
from ._base import Runtime


class TargetStatus(NamedTuple):
    """One line of what this machine can time.

    Attributes:
        target: The plainest target of its kind.
        description: One line.
        state: Library -> version where the target can be used here, else the sentence that says why not.
    """

    target: Target
    description: str
    state: dict[str, str] | str


def get_runtime(name: str) -> Runtime:
    """Return a new runtime by name.

    Raises:
        ValueError: There is no runtime of that name.
    """
    if name not in RUNTIMES:
        near = near_match(name, tuple(RUNTIMES))
        raise ValueError(f"A runtime must be one of {', '.join(RUNTIMES)}, but got {name!r}{near}")
    module, _, attribute = RUNTIMES[name].home.partition(":")
    runtime = getattr(importlib.import_module(module), attribute)()
    if not isinstance(runtime, Runtime):
        raise TypeError(f"RUNTIMES must name subclasses of Runtime, but {name!r} gave {type(runtime).__name__}.")
    return runtime


def unavailable(target: Target) -> str | None:
    """Return one sentence that says why a target cannot be used here, or None where it can."""
    return get_runtime(target.runtime).unavailable(target)


def available_targets() -> list[TargetStatus]:
    """Return what this machine can time, and why not the rest."""
    return [
        _status(Target(name, kind.device, kind.precision, options=kind.options), kind.description)
        for name, row in RUNTIMES.items()
        for kind in row.kinds
    ]


def _status(target: Target, description: str) -> TargetStatus:
    runtime = get_runtime(target.runtime)
    reason = runtime.unavailable(target)
    return TargetStatus(target, description, reason if reason is not None else runtime.versions())
