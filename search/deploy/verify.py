"""Prove the answer: time the exported files on the target, and say whether the budget is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hwprofiles import (
    Interval,
    Measurement,
    Quantity,
    Runtime,
    Target,
    compare_files,
    verify_protocol,
)

from ..surgery import MOST_RUN_BYTES
from .delivered import Delivered

Verdict = Literal["met", "unneeded", "missed", "infeasible", "unstable"]

BASELINE = "baseline"
SUBNET = "subnet"


@dataclass(frozen=True, slots=True)
class Verification:
    """What timing the two files said.

    Attributes:
        budget: Seconds, or a fraction of the unpruned network's latency.
        measurement: The raw windows of both.
        hashes: SHA-256 of what was timed, by contestant: see `Delivered.digest`.
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


def verify(
    runtime: Runtime,
    target: Target,
    networks: Mapping[str, Delivered],
    budget: Quantity,
    *,
    rng: np.random.Generator,
    on_window: Callable[[int, int], None] | None = None,
    most_bytes: int = MOST_RUN_BYTES,
) -> Verification:
    """Time the unpruned and the cut network in turn on the target.

    Args:
        runtime: Runs them.
        target: Where.
        networks: "baseline" and "subnet".
        budget: What must be met.
        rng: Orders turns and draws inputs.
        on_window: Told (windows so far, windows at least).
        most_bytes: Memory that a stored network may ask for when it runs, its weights apart.

    Raises:
        ArtefactError: The runtime cannot run one.
        RuntimeUnavailableError: The target cannot be used here.
        BundleError: A stored network is damaged.
        ExportError: It does not export to what the runtime takes.
    """
    runtime.require(target)
    kind = runtime.artefact_kind
    contents = {name: networks[name].content(kind, target.batch, most_bytes) for name in (BASELINE, SUBNET)}
    hashes = {name: networks[name].digest(kind) for name in contents}
    protocol = verify_protocol(budget.kind == "time")
    measured = compare_files(runtime, contents, target, BASELINE, protocol, rng=rng, on_window=on_window)
    return Verification(budget, measured, hashes)
