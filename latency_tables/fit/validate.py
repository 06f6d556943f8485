"""Say how well a table predicts networks that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import kendalltau  # type: ignore[import-untyped, unused-ignore]

from ..errors import SparseTableError
from ..journal import BASELINE
from ..table import LatencyTable, NetworkRow
from .law import Array
from .model import fit_model, timing_deviations

MIN_NETWORKS = 3
"""Networks beside the baseline below which nothing can be said about unseen ones."""

MARGIN_LEVEL = 0.9

MIN_STRETCHED = 20
"""Held-out networks from which a standard deviation is taken: fewer leave it open by more than a sixth."""

FEWEST_STRETCHED = 8
"""Held-out networks from which a median says how wide intervals must be at least; among so few, one that is far off
would decide a standard deviation alone."""

INTERVAL_LEVELS = (0.05, 0.95)

_HALF_WINDOWS = 2


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Hold measured and predicted seconds of networks that were in no cell, bend or correction.

    Attributes:
        jobs: The networks.
        measured_s: Their seconds at the reference speed.
        predicted_s: What a model that had not seen them said, for ratios at the pace that each was timed at.
        unpredicted: Networks with a piece whose family no other network has; they are in no figure.
        kendall_tau_ceiling: The rank correlation that a perfect prediction would reach, given how well the
            measurements repeat (see `tau_ceiling`); None where too few windows say so.
        deviations: Logarithm of measured over predicted, in standard deviations of what the model and the network's
            own timing said it would be; empty where the model said nothing about some of them.
    """

    jobs: tuple[str, ...]
    measured_s: tuple[float, ...]
    predicted_s: tuple[float, ...]
    unpredicted: tuple[str, ...] = ()
    kendall_tau_ceiling: float | None = None
    deviations: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.jobs) == len(self.measured_s) == len(self.predicted_s) or not self.jobs:
            raise ValueError("Held-out networks need one measured and one predicted time each, and at least one.")
        if min(self.measured_s) <= 0 or min(self.predicted_s) <= 0:
            raise ValueError(f"Times are above zero, but got {min(self.measured_s)=}, {min(self.predicted_s)=}.")

    @property
    def n(self) -> int:
        """Number of networks predicted."""
        return len(self.jobs)

    @property
    def errors(self) -> Array:
        """Predicted over measured, minus 1, of shape (n,)."""
        return np.asarray(np.array(self.predicted_s) / np.array(self.measured_s) - 1)

    @property
    def mape(self) -> float:
        """Mean absolute error, as a fraction."""
        return float(np.mean(np.abs(self.errors)))

    @property
    def bias(self) -> float:
        """Mean error, as a fraction; above zero where predictions are too high."""
        return float(np.mean(self.errors))

    @property
    def within_5(self) -> float:
        """Share of networks within 5 %."""
        return float(np.mean(np.abs(self.errors) <= 0.05))

    @property
    def within_10(self) -> float:
        """Share of networks within 10 %."""
        return float(np.mean(np.abs(self.errors) <= 0.10))

    @property
    def kendall_tau(self) -> float | None:
        """Rank correlation of predicted and measured; None where all of one kind are equal."""
        return _tau(np.asarray(self.predicted_s), np.asarray(self.measured_s))

    @property
    def stretch(self) -> float:
        """Factor on the model's standard deviations that makes them those of the held-out networks.

        The root mean square of `deviations`. Fewer than `MIN_STRETCHED` networks only stretch: by the median, which is
        0.6745 of the standard deviation of a normal distribution. Fewer than `FEWEST_STRETCHED` say nothing.
        """
        if len(self.deviations) < FEWEST_STRETCHED:
            return 1.0
        if len(self.deviations) < MIN_STRETCHED:
            return max(1.0, float(np.median(np.abs(self.deviations))) / 0.6745)
        return float(np.sqrt(np.mean(np.square(self.deviations))))

    @property
    def margin(self) -> float:
        """Fraction to stay below a budget: the 90 % upper quantile of measured over predicted, minus 1, at least 0."""
        return max(0.0, self.quantile(MARGIN_LEVEL) - 1)

    @property
    def interval(self) -> tuple[float, float]:
        """Factors on a prediction that enclose it and 90 % of what was measured."""
        low, high = (self.quantile(level) for level in INTERVAL_LEVELS)
        return min(low, 1.0), max(high, 1.0)

    def quantile(self, level: float) -> float:
        """Return a quantile of measured over predicted, rounded outwards for the number of networks.

        Of n values sorted, it is the one of rank ceil((n + 1) level) for upper and floor((n + 1) level) for lower
        quantiles, so that a new network exceeds it with no more than the wanted probability (split conformal
        prediction; Lei et al. 2018, section 2.2); the extreme one where n is too small for that.
        """
        ratios = np.sort(np.asarray(self.measured_s) / np.asarray(self.predicted_s))
        exact = round((self.n + 1) * level, 9)
        rank = math.ceil(exact) if level >= 0.5 else math.floor(exact)
        return float(ratios[min(max(rank, 1), self.n) - 1])

    def near(self, seconds: float, factor: float = 1.3, least: int = 10) -> HeldOut:
        """Return the networks predicted within a factor of some seconds: small ones err otherwise than large ones.

        Args:
            seconds: Where predictions will be used.
            factor: How far from there, up and down.
            least: Networks to return at least, the nearest ones where fewer are within the factor.
        """
        distance = np.abs(np.log(np.asarray(self.predicted_s) / seconds))
        order = np.argsort(distance, kind="stable")
        count = max(int(np.sum(distance <= math.log(factor))), min(least, self.n))
        picked = sorted(int(i) for i in order[:count])
        return HeldOut(
            tuple(self.jobs[i] for i in picked),
            tuple(self.measured_s[i] for i in picked),
            tuple(self.predicted_s[i] for i in picked),
            self.unpredicted,
            self.kendall_tau_ceiling,
            tuple(self.deviations[i] for i in picked) if self.deviations else (),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figures that a table prints."""
        names = ("n", "mape", "bias", "within_5", "within_10", "kendall_tau", "kendall_tau_ceiling", "margin")
        return {name: getattr(self, name) for name in names}


def cross_validate(table: LatencyTable, *, quantum: int, folds: int, rng: np.random.Generator) -> HeldOut:
    """Predict each network with a model that has not seen it.

    The networks are divided into folds at random. The baseline is in every model and never predicted: its ratio is
    1 by definition. Networks of origin "holdout" are in no model here.

    Args:
        table: The table.
        quantum: Units in one step of the runtime.
        folds: Number of folds; networks are left out one by one where there are fewer.
        rng: Divides the networks.

    Raises:
        SparseTableError: Fewer than three networks, or none that can be predicted.
        ValueError: Fewer than two folds.
    """
    if folds < 2:
        raise ValueError(f"Cross-validation needs at least 2 folds, but got {folds}.")
    networks = table.networks
    if len(networks) < MIN_NETWORKS:
        raise SparseTableError(
            f"A table predicts from at least {MIN_NETWORKS} networks beside the unpruned one, but it has "
            f"{len(networks)}: build more."
        )
    anchors = [row for row in table.rows if row.origin == BASELINE]
    learnt = sorted((row for row in networks if row.origin != "holdout"), key=lambda row: row.job)
    order = [learnt[i] for i in rng.permutation(len(learnt))]
    n = min(folds, len(order))
    splits = [([*anchors, *(row for j, row in enumerate(order) if j % n != i)], order[i::n]) for i in range(n)]
    held = [row for row in networks if row.origin == "holdout"]
    if held:
        splits.append(([*anchors, *learnt], held))
    return _score(splits, quantum, tau_ceiling([row.window_ratios for row in networks]))


def _score(splits: Sequence[tuple[list[NetworkRow], list[NetworkRow]]], quantum: int, ceiling: float | None) -> HeldOut:
    scored: list[tuple[str, float, float, float]] = []
    unpredicted: list[str] = []
    for seen, unseen in splits:
        model = fit_model(seen, quantum)
        known = [row for row in unseen if all(piece.key.family in model.families for piece in row.pieces)]
        networks = [[piece.key for piece in row.pieces] for row in known]
        # At the pace that each was timed at: what changes with the machine is no error of the table.
        predicted = model.networks(networks, [row.slowdown for row in known])[0]
        spread = model.deviations(networks, timing_deviations(known))
        for row, seconds, one in zip(known, predicted.tolist(), spread.tolist(), strict=True):
            # No time at all is no prediction: its pieces were seen, but none of them took any.
            if seconds > 0:
                off = math.log(row.seconds.median / seconds)
                scored.append((row.job, row.seconds.median, seconds, off / one if one else math.nan))
        unpredicted += sorted({row.job for row in unseen} - {job for job, *_ in scored})
    if not scored:
        raise SparseTableError(
            "Every network of the table has a piece whose family no other network has, so nothing can be said about "
            "unseen networks: build more networks of one kind."
        )
    jobs, measured, predicted_s, deviations = zip(*sorted(scored), strict=True)
    said = () if any(map(math.isnan, deviations)) else deviations
    return HeldOut(jobs, measured, predicted_s, tuple(sorted(unpredicted)), ceiling, said)


def tau_ceiling(windows: Sequence[Sequence[float]]) -> float | None:
    """Return the rank correlation that a perfect prediction would have with measurements that repeat this well.

    The windows of each network are divided into even and odd ones, so that drift meets both halves alike. Kendall's
    tau of the two halves' medians becomes a product-moment correlation r = sin(pi tau / 2) (Greiner's relation),
    is stepped up to the whole length, R = 2 r / (1 + r) (Spearman-Brown), and the correlation with the noise-free
    truth, sqrt(R), is turned back into tau.

    Args:
        windows: Ratios of each network, in order of time.

    Returns:
        None where fewer than three networks have at least four windows, or all of them are equal.
    """
    usable = [np.asarray(row) for row in windows if len(row) >= 2 * _HALF_WINDOWS]
    if len(usable) < MIN_NETWORKS:
        return None
    halves = np.array([(np.median(row[::2]), np.median(row[1::2])) for row in usable])
    tau = _tau(halves[:, 0], halves[:, 1])
    if tau is None:
        return None
    half = max(0.0, math.sin(math.pi * tau / 2))
    return 2 / math.pi * math.asin(math.sqrt(2 * half / (1 + half)))


def _tau(first: Array, second: Array) -> float | None:
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(kendalltau(first, second).statistic)
