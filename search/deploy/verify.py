"""Prove the answer: time the exported files on the target, and say whether the budget is met."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hwprofiles import (
    Interval,
    Measurement,
    Quantity,
    Runtime,
    RuntimeUnavailableError,
    Target,
    compare_files,
    verify_protocol,
)

Verdict = Literal["met", "unneeded", "missed", "infeasible", "unstable"]

BASELINE = "baseline"
SUBNET = "subnet"

SENTENCES: Mapping[str, str] = {
    "met": "The budget is met: the upper end of the measured interval is within it.",
    "unneeded": "The unpruned network is already inside the budget; nothing was cut.",
    "missed": "The budget is missed: the upper end of the measured interval is above it.",
    "infeasible": "No network that can be reached is inside the budget.",
    "unstable": "The machine was too unsteady to give an answer; time again when it is quieter.",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What timing the two files said.

    Attributes:
        budget: Seconds, or a fraction of the unpruned network's latency.
        measurement: The raw windows of both.
        hashes: SHA-256 of the timed files, by contestant.
    """

    budget: Quantity
    measurement: Measurement
    hashes: Mapping[str, str]

    @property
    def judged(self) -> Interval | None:
        """The interval that is held against the budget: the paired ratio, or raw seconds."""
        if self.budget.kind == "fraction":
            return self.measurement.ratio(SUBNET)
        return self.measurement.seconds(SUBNET)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the answer cannot be trusted; empty where it can."""
        judge = self.measurement.judge_ratio if self.budget.kind == "fraction" else self.measurement.judge_seconds
        return tuple(judge(SUBNET))

    @property
    def verdict(self) -> Verdict:
        """Whether the upper end of the interval is within the budget."""
        interval = self.judged
        if interval is None or self.reasons:
            return "unstable"
        return "met" if interval.high <= self.budget.value else "missed"


def check_deliverable(runtime: Runtime) -> None:
    """Check that a runtime takes what bundles hold.

    Raises:
        RuntimeUnavailableError: It takes another kind of file.
    """
    if runtime.artefact_kind != "onnx":
        raise RuntimeUnavailableError(
            f"A bundle holds ONNX files, but the runtime {runtime.name} takes another kind ({runtime.artefact_kind}): "
            "`lathe profile` can build a table for it; search and verify for another runtime."
        )


def verify(
    runtime: Runtime,
    target: Target,
    files: Mapping[str, Path],
    budget: Quantity,
    *,
    rng: np.random.Generator,
    on_window: Callable[[int, int], None] | None = None,
) -> Verification:
    """Time the unpruned and the cut network's files in turn on the target.

    Args:
        runtime: Runs the files.
        target: Where.
        files: "baseline" and "subnet".
        budget: What must be met.
        rng: Orders turns and draws inputs.
        on_window: Told (windows so far, windows at least).

    Raises:
        ArtefactError: The runtime cannot run a file.
        RuntimeUnavailableError: The target cannot be used here, or takes another kind of file.
    """
    check_deliverable(runtime)
    runtime.require(target)
    contents = {name: files[name].read_bytes() for name in (BASELINE, SUBNET)}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    protocol = verify_protocol(budget.kind == "time")
    measured = compare_files(runtime, contents, target, BASELINE, protocol, rng=rng, on_window=on_window)
    return Verification(budget, measured, hashes)
