"""The latency side of a run: the target, the table, and what a budget means on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from hwprofiles import (
    PROTOCOLS,
    HardwareProfile,
    Interval,
    IsolatedProfiler,
    Quantity,
    Runtime,
    Target,
    get_runtime,
    probe,
    table_protocol,
)
from latency_tables import (
    EvenStairs,
    LatencyTable,
    NetworkRow,
    Origin,
    Patience,
    Predictor,
    Rig,
    Stairs,
    Store,
    build,
    sweep,
)

from ..deploy import computed, require
from ..errors import ModelError
from ..graph import Blueprint, Candidate, full
from ..progress import Progress, Silent
from ..solve import propose
from ..space import BlockKnob, SearchSpace, WidthKnob, derive, knobs_of, why_whole
from ..surgery import Proof, original, permutation
from .design import covering, smallest, telling, unseen
from .jobs import job
from .slicing._base import Slicer
from .slicing.registry import SLICERS
from .sweeping import stairs_of_dims, sweeps

REMOVAL = 0.15
"""Probability with which the networks that refine a table lack a block."""

LEAST_DRAWN = 0.2
"""Least proportion of a dim in the networks that refine a table."""

SAFETY = 0.01
"""Fraction to stay below a budget beside the table's own margin: the verification's interval has a width too."""


@dataclass(frozen=True)
class Bench:
    """A blueprint on its target, with the means to time any candidate.

    Attributes:
        blueprint: The combed network.
        runtime: Runs files.
        target: Where.
        profile: The machine.
        slicer: Makes files for timing.
        stairs: Dim name -> the stairs that its operators have on the target; even ones where none were swept.
        widths: Width knobs: the tread edges of those stairs.
        blocks: Block knobs.
        store: Journal of the table.
        seed: Of everything random in timing.
        proof: The permutation proof of the combing.
    """

    blueprint: Blueprint
    runtime: Runtime
    target: Target
    profile: HardwareProfile
    slicer: Slicer
    stairs: Mapping[str, Stairs | EvenStairs]
    widths: tuple[WidthKnob, ...]
    blocks: tuple[BlockKnob, ...]
    store: Store
    seed: int
    proof: Proof

    @classmethod
    def open(
        cls,
        blueprint: Blueprint,
        target: Target,
        store: Store,
        seed: int,
        runtime: Runtime | None = None,
        progress: Progress | None = None,
        *,
        allow_foreign: bool = False,
    ) -> Bench:
        """Check the target, export the network once, and sweep the stairs that the table lacks.

        The arguments are those of `unswept` and `swept`, and so is what they raise.
        """
        opened = cls.unswept(blueprint, target, store, seed, runtime)
        return opened.swept(progress, allow_foreign=allow_foreign)

    @classmethod
    def unswept(
        cls, blueprint: Blueprint, target: Target, store: Store, seed: int, runtime: Runtime | None = None
    ) -> Bench:
        """Check the target and export the network once; there are no knobs yet.

        Raises:
            RuntimeUnavailableError: It cannot.
            ExportError: The network does not export to ONNX.
            ProofError: The permutation proof fails: something that must be cut together came apart. Or the target does
                not compute what torch computes, within its precision: what it needs for that is not worth knowing.
            ArtefactError: The target cannot run the unpruned network.
        """
        runtime = runtime or get_runtime(target.runtime)
        runtime.require(target)
        profile = probe()
        proof = prove(blueprint, seed)
        slicer = SLICERS[runtime.table_kind(target)](blueprint, target.batch)
        _check_target(blueprint, slicer, runtime, target, seed)
        return cls(blueprint, runtime, target, profile, slicer, {}, (), (), store, seed, proof)

    def swept(self, progress: Progress | None = None, *, allow_foreign: bool = False) -> Bench:
        """Return the same with the knobs that the target's stairs offer, after sweeping those that the table lacks.

        Raises:
            ForeignTableError: The table is of another machine, and `allow_foreign` does not hold.
        """
        stairs = self._stairs(progress or Silent(), allow_foreign)
        widths, blocks = knobs_of(self.blueprint, stairs)
        return replace(self, stairs=stairs, widths=widths, blocks=blocks)

    def _stairs(self, progress: Progress, allow_foreign: bool) -> Mapping[str, Stairs | EvenStairs]:
        """Sweep the stairs that the table lacks; offer whole blocks where the runtime compiles each file for long."""
        if self.few:
            return dict.fromkeys((dim.name for dim in self.blueprint.dims), EvenStairs(self.quantum))
        progress.stage("sweep", "the widths that the runtime likes")
        table = sweep(
            self._rig(allow_foreign),
            sweeps(self.blueprint, self.slicer),
            rng=np.random.default_rng(self.seed),
            progress=progress.step,
        )
        return stairs_of_dims(self.blueprint, table.stairs)

    @property
    def fingerprint(self) -> str:
        """The machine, or its GPU where that is the target's device."""
        return self.profile.fingerprint_for(self.target.device)

    @property
    def quantum(self) -> int:
        """Units in one step of the runtime: what is assumed of laws between measured cells."""
        return self.runtime.width_quantum(self.profile, self.target.device)

    @property
    def whole(self) -> dict[str, str]:
        """Dim name -> why it is on offer at its size only, for each dim that is."""
        return why_whole(self.blueprint, self.stairs)

    @property
    def few(self) -> bool:
        """Whether each network is a long compilation, so that a table is made of few."""
        return self.runtime.most_files is not None

    def affordable(self, networks: int) -> int:
        """Return how many of so many networks, beside the unpruned one, a table may be made of on this runtime."""
        most = self.runtime.most_files
        return networks if most is None else min(networks, most - 1)

    def smallest(self) -> Candidate:
        """Return the subnet with every width at its least and every block removed."""
        return smallest(self.blueprint, self.widths)

    def design(self, networks: int) -> list[Candidate]:
        """Return the subnets that the table is begun with; the smallest one is the first.

        They cover all cells; where they are few, they tell most about laws.
        """
        if self.few:
            others = telling(self.blueprint, self.widths, networks - 1, self.quantum, self._rng(1))
        else:
            others = covering(self.blueprint, self.widths, networks - 1, self._rng(1))
        return list(dict.fromkeys([self.smallest(), *others]))

    def refinement(self, space: SearchSpace, budget_s: float, networks: int) -> list[Candidate]:
        """Return random subnets just inside a budget: what the search will propose is what the table should know."""
        rng, found = self._rng(2), dict[Candidate, None]()
        for _ in range(4 * networks):
            proportions = {dim: float(rng.uniform(LEAST_DRAWN, 1.0)) for dim in space.dims}
            removed = [block for block in space.block_names if rng.random() < REMOVAL]
            candidate = propose(space, proportions, removed, budget_s).candidate
            if candidate is not None:
                found[candidate] = None
            if len(found) == networks:
                break
        return list(found)

    def unseen(self, networks: int) -> list[Candidate]:
        """Return random subnets at any widths on offer, also those that the table interpolates, to hold it against."""
        return unseen(self.blueprint, self.widths, networks, self._rng(3))

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(purpose,)))

    def fill(
        self,
        candidates: list[Candidate],
        *,
        origin: Origin = "level",
        progress: Callable[[int, int, str], None] | None = None,
        time_limit_s: float | None = None,
        allow_foreign: bool = False,
        times: int = 1,
    ) -> LatencyTable:
        """Time the candidates that the table lacks and return the table.

        Args:
            candidates: To be timed, in order.
            origin: What for: see `latency_tables.Job`.
            progress: Told before each comparison.
            time_limit_s: See `latency_tables.Patience`.
            allow_foreign: See `latency_tables.Rig`.
            times: See `latency_tables.Patience`.
        """
        jobs = [job(self.blueprint, self.slicer, candidate, origin) for candidate in candidates]
        return build(
            self._rig(allow_foreign),
            jobs,
            baseline=job(self.blueprint, self.slicer, full(self.blueprint)),
            protocol=PROTOCOLS["finalist"] if origin == "finalist" else table_protocol(self.few),
            rng=np.random.default_rng(self.seed),
            patience=Patience(time_limit_s, times),
            progress=progress,
        )

    def _rig(self, allow_foreign: bool) -> Rig:
        return Rig(self.runtime, self.target, self.store, self.fingerprint, allow_foreign)

    def row(self, table: LatencyTable, candidate: Candidate) -> NetworkRow | None:
        """Return a candidate's row, or None where the runtime could not run it."""
        key = job(self.blueprint, self.slicer, candidate).key
        return next((row for row in table.rows if row.job == key), None)

    def predictor(self, table: LatencyTable, candidates: Collection[Candidate]) -> Predictor:
        """Fit the table's predictor to the unpruned network and these candidates.

        Others that the table has are left out: what is predicted must not depend on what a run that was stopped had
        timed already.
        """
        known = {job(self.blueprint, self.slicer, candidate).key for candidate in candidates}
        rows = tuple(row for row in table.rows if row.job in known or row.origin == "baseline")
        return Predictor.fit(replace(table, rows=rows), quantum=self.quantum, rng=np.random.default_rng(self.seed))

    def space(self, predictor: Predictor) -> SearchSpace:
        """Return what is searched."""
        return derive(self.blueprint, predictor, self.stairs)


def _check_target(blueprint: Blueprint, slicer: Slicer, runtime: Runtime, target: Target, seed: int) -> None:
    """Check that a target runs the unpruned network and computes what torch computes; see `Bench.open`."""
    content, rng = slicer.slice(full(blueprint)), np.random.default_rng(seed)
    if runtime.native:
        # A file that takes its process down must not take this one.
        with closing(IsolatedProfiler(runtime)) as apart:
            apart.profile(content, target, 1, rng)
    require({"runtime": computed(slicer.network(), content, runtime, target, rng)})


def prove(blueprint: Blueprint, seed: int) -> Proof:
    """Run the permutation proof, once for all cuts of a blueprint; and prove that it is the user's network.

    Raises:
        ProofError: One fails.
    """
    require({"original": original(blueprint)})
    proof = permutation(blueprint, np.random.default_rng(seed))
    require({"permutation": proof})
    return proof


def reference_of(table: LatencyTable) -> Interval:
    """Return the unpruned network's speed that the table's seconds are quoted at.

    Raises:
        ModelError: The table has no usable timing of it.
    """
    if table.reference is None:
        failures = "; ".join(table.failed.values()) or "its rows are all of other versions of the runtime"
        raise ModelError(f"A table must hold a timing of the unpruned network, but this one has none: {failures}.")
    return table.reference


def in_seconds(budget: Quantity, reference: Interval) -> float:
    """Return a budget in seconds at the table's reference speed."""
    return budget.value if budget.kind == "time" else budget.value * reference.median


def is_unneeded(budget: Quantity, reference: Interval) -> bool:
    """Tell whether the unpruned network is inside the budget."""
    return budget.value >= (1.0 if budget.kind == "fraction" else reference.high)
