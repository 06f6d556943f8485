"""What a report's answer rests on: the network's shape, the table, the search, fine-tuning, timings and proofs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .document import only_known


@dataclass(frozen=True, slots=True)
class Width:
    """Units of one dim.

    Attributes:
        name: Of the dim.
        layer: That has it.
        baseline: Units of the unpruned network.
        subnet: Units that are left; 0 where the dim went with its block, None where there is no subnet.
    """

    name: str
    layer: str | None = None
    baseline: int | None = None
    subnet: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """What became of a removable block."""

    name: str
    choice: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """A dim that could not be cut, and why."""

    dim: str
    reason: str


@dataclass(frozen=True, slots=True)
class HeldOutErrors:
    """Errors of a table on networks that it was not built from; fractions, `n` networks. See `lathe profile`."""

    n: int | None = None
    mape: float | None = None
    bias: float | None = None
    within_5: float | None = None
    within_10: float | None = None
    kendall_tau: float | None = None
    kendall_tau_ceiling: float | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class TableFacts:
    """The latency table that led the search.

    Attributes:
        rows: How many it has.
        networks: How many were timed for it.
        held_out: Its errors.
    """

    rows: int | None = None
    networks: int | None = None
    held_out: HeldOutErrors | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate of the search.

    Attributes:
        number: In order, from 0.
        predicted_s: Seconds.
        objective: What it loses; None where that could not be computed.
        origin: Who proposed it.
    """

    number: int
    predicted_s: float | None = None
    objective: float | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Exact:
    """The optimum of what only adds up: its loss, its predicted seconds, and what none can lose less than."""

    loss: float | None = None
    latency_s: float | None = None
    bound: float | None = None


@dataclass(frozen=True, slots=True)
class SearchFacts:
    """The round of the search that the answer is of.

    Attributes:
        round: Its number, from 0.
        target_s: Predicted seconds to stay within.
        trials: All of it.
        best: Number of the trial that was chosen.
        exact: Where it started.
    """

    round: int | None = None
    target_s: float | None = None
    trials: tuple[Trial, ...] = ()
    best: int | None = None
    exact: Exact | None = None


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training data: its steps, mean loss, learning rate at its end, and accuracy where known."""

    epoch: int
    steps: int | None = only_known()
    loss: float | None = None
    lr: float | None = only_known()
    accuracy: float | None = only_known()


@dataclass(frozen=True, slots=True)
class Tuning:
    """The fine-tuning: how many epochs, and each."""

    epochs: int | None = None
    history: tuple[Epoch, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds of one run of both networks in one window."""

    baseline: float | None = None
    subnet: float | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """The timing that the verdict rests on.

    Attributes:
        windows: In order.
        judgement: Why it is not to be relied on; empty where it is.
        conditions: What the machine did meanwhile.
        protocol: How it was taken.
        notes: What else there is to say of it.
    """

    windows: tuple[Window, ...] = ()
    judgement: tuple[str, ...] = ()
    conditions: Mapping[str, Any] | None = None
    protocol: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurements:
    """The timings of a run."""

    verify: Timing | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """Predicted and measured seconds of one network, with the ends of the measured interval."""

    what: str
    predicted_s: float | None = None
    measured_s: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ProofFacts:
    """What one proof of the cut measured.

    Attributes:
        max_abs_diff: Largest difference of outputs.
        tolerance: That it passes up to.
        passed: None where it does not apply.
        exact: Whether nothing but rounding may differ.
        note: What it leaves out.
    """

    max_abs_diff: float | None = None
    tolerance: float | None = None
    passed: bool | None = None
    exact: bool | None = None
    note: str | None = None
