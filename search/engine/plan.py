"""What a run would do, how long it would take, and what it could reach: measured in seconds, before any training."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any

from hwprofiles import PROTOCOLS, Interval, Runtime, verify_protocol
from latency_tables import Store

from ..bench import Bench, in_seconds, is_unneeded, reference_of
from ..config import RunConfig
from ..progress import Progress, Silent
from ..space import WidthKnob
from .loading import analysed
from .naming import check_names


@dataclass(frozen=True, slots=True)
class Plan:
    """What `lathe run --dry-run` shows.

    Attributes:
        target: Slug.
        budget_s: Budget at the speed measured now.
        baseline_s: The unpruned network.
        least_s: The smallest network on offer.
        dims: Width knobs.
        blocks: Names of removable blocks.
        frozen: (axis, reason) of what is not cut.
        unknown: Operators without a rule.
        networks: Networks that the table would be built from.
        trials: Candidates that would be cut and scored.
        timing_s: Time that timing alone will take, as far as the two networks timed here tell.
        unneeded: Whether the unpruned network is inside the budget.
    """

    target: str
    budget_s: float
    baseline_s: Interval
    least_s: Interval | None
    dims: tuple[WidthKnob, ...]
    blocks: tuple[str, ...]
    frozen: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...]
    networks: int
    trials: int
    timing_s: float
    unneeded: bool

    @property
    def candidates_log10(self) -> float:
        """Decimal logarithm of the number of networks on offer, those that differ only in hidden dims counted apart."""
        return sum(log10(len(knob.levels)) for knob in self.dims) + len(self.blocks) * log10(2)

    @property
    def verdict_so_far(self) -> str | None:
        """The verdict where that is clear already ("unneeded" or "infeasible"), else None."""
        if self.unneeded:
            return "unneeded"
        return "infeasible" if self.least_s is not None and self.least_s.low > self.budget_s else None

    def to_json(self) -> dict[str, Any]:
        """Return the plan as the command line prints it with `--json`."""
        return {
            "target": self.target,
            "verdict": self.verdict_so_far,
            "budget_s": self.budget_s,
            "baseline_s": self.baseline_s.to_json(),
            "least_latency_s": None if self.least_s is None else self.least_s.to_json(),
            "dims": {knob.dim: list(knob.levels) for knob in self.dims},
            "blocks": list(self.blocks),
            "frozen": [{"dim": dim, "reason": reason} for dim, reason in self.frozen],
            "unknown_operators": list(self.unknown),
            "table_networks": self.networks,
            "trials": self.trials,
            "timing_s": self.timing_s,
        }


def plan(config: RunConfig, runtime: Runtime | None = None, progress: Progress | None = None) -> Plan:
    """Load everything, time the unpruned and the smallest network, and write nothing.

    Args:
        config: What the run would be told.
        runtime: Times files; by default the one that the target names.
        progress: Told what is found out.

    Raises:
        LatheError: What the run itself would raise before its table; see `search.errors`.
    """
    check_names(config)
    progress = progress or Silent()
    blueprint, _ = analysed(config, progress)
    budget, search = config.budget.latency, config.search
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "table.jsonl")
        bench = Bench.unswept(blueprint, config.target, store, config.run.seed, runtime)
        reference = reference_of(bench.fill([]))
        unneeded, least, networks, timing = is_unneeded(budget, reference), None, 0, 0.0
        if not unneeded:
            bench = bench.swept(progress)
            began = bench.runtime.clock()
            row = bench.row(bench.fill([bench.smallest()]), bench.smallest())
            least = None if row is None else row.seconds
            networks = len(bench.design(bench.affordable(search.table_networks)))
            timing = networks * (bench.runtime.clock() - began)
            timing += PROTOCOLS["finalist"].time_limit_s + verify_protocol(budget.kind == "time").time_limit_s
    return Plan(
        config.target.slug,
        in_seconds(budget, reference),
        reference,
        least,
        bench.widths,
        tuple(block.block for block in bench.blocks),
        tuple((item.dim, item.reason) for item in blueprint.frozen),
        tuple(blueprint.unknown),
        networks,
        0 if unneeded else search.trials,
        timing,
        unneeded,
    )
