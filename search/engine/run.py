"""The spine: a config in, a report out; every step that is done is read back from the run folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwprofiles import Runtime, format_percent, format_seconds
from latency_tables import LatencyTable, Predictor, Store

from ..config import RunConfig, load_model
from ..deploy import BASELINE, SUBNET, check_file_size, content_of, structure_digest
from ..finetune import Length, free_thread_count
from ..graph import Blueprint, Candidate, comb
from ..importance import score
from ..space import SearchSpace
from ..surgery import check_storable, cut, everything
from ..tasks import Task, load_task
from . import summary
from .aiming import chosen, next_aim
from .bench import Bench, in_seconds, is_unneeded, reference_of
from .exact import least_latency
from .finalist import Finalist
from .finish import Finished, finish
from .folder import RunFolder, open_folder, stage_seconds, translated
from .layout import FILES, REPORT_FILE, STORED_FILES, STRUCTURE_FILE
from .objective import Objective
from .progress import Progress, Sharing, Silent
from .rehearsal import check_inputs, check_trains, rehearse
from .rounds import Rounds, SearchSettings, aim, holds_up
from .stored import REPORT, ROUGH

TABLE_FILE = "table.jsonl"
BUNDLE = "bundle"

ROUGH_FILE = "rough.json"

RETIMING_S = 60.0
"""For how long a table that errs too much is timed once more."""

REFINING = 3
"""One network of so many in a table is drawn just inside the budget; the others cover all cells."""


Prepare = Callable[[Progress, RunFolder], None]
"""Makes files that a config names, in the run's own folder."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run answered.

    Attributes:
        report: The content of report.json.
        bundle: Folder of the bundle. It is not part of the report, so that a bundle can be moved.
        fresh: Whether this call did any work, or found the run complete.
    """

    report: dict[str, Any]
    bundle: Path
    fresh: bool


def execute(
    config: RunConfig,
    *,
    progress: Progress | None = None,
    runtime: Runtime | None = None,
    prepare: Prepare | None = None,
) -> Outcome:
    """Run a config to its end, or go on where it was stopped.

    Args:
        config: What to do.
        progress: Told how far it is.
        runtime: Times files; by default the one that the target names.
        prepare: Makes what the config names, such as weights, once no other process can be at work in the folder.

    Raises:
        LatheError: What the user can act on; see `search.errors`.
    """
    told = progress or Silent()
    with free_thread_count(told.note) as threads, flushed_denormals():
        progress = Sharing(told, threads)
        with open_folder(config, None if prepare is None else partial(prepare, progress)) as folder:
            return _executed(config, folder, progress, runtime)


def _executed(config: RunConfig, folder: RunFolder, progress: Progress, runtime: Runtime | None) -> Outcome:
    with translated(folder.path):
        stored = folder.read_json(f"{BUNDLE}/{REPORT_FILE}", REPORT)
        if stored is not None and stored["verdict"] != "unstable":
            progress.note(f"This run is complete; its bundle is in {folder.file(BUNDLE)}.")
            return Outcome(stored, folder.file(BUNDLE), fresh=False)
        report = _Run(config, folder, progress, runtime).report()
        report["wall_s"] = sum(stage_seconds(folder).values())
        folder.write_json(f"{BUNDLE}/{REPORT_FILE}", report)
        return Outcome(report, folder.file(BUNDLE), fresh=True)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Count denormal numbers as zero meanwhile.

    Runtimes that flush them switch the whole thread over when they load a file. A resumed run may load none, and would
    then train with other rounding than the run that was not stopped.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class _Run:
    """One pass from config to report."""

    def __init__(self, config: RunConfig, folder: RunFolder, progress: Progress, runtime: Runtime | None) -> None:
        self._config, self._folder, self._progress = config, folder, progress
        self._given_runtime = runtime

    def report(self) -> dict[str, Any]:
        with self._timed("analyse"):
            self._progress.stage("analyse", "the network's structure")
            blueprint, task = analysed(self._config, self._progress)
            store = Store(self._folder.file(TABLE_FILE))
            seed, runtime = self._config.run.seed, self._given_runtime
            bench = Bench.unswept(blueprint, self._config.target, store, seed, runtime)
        with self._timed("table"):
            self._progress.stage("table", "the unpruned network")
            table = bench.fill([])
        if is_unneeded(self._config.budget.latency, reference_of(table)):
            return summary.unneeded(summary.opening(self._config, bench, table))
        with self._timed("table"):
            bench = bench.swept(self._progress)
        out_of_reach = self._out_of_reach(bench)
        return out_of_reach if out_of_reach is not None else self._search(bench, task)

    def _out_of_reach(self, bench: Bench) -> dict[str, Any] | None:
        """Time the smallest network: budgets below it need no search."""
        budget = self._config.budget.latency
        with self._timed("table"):
            self._progress.stage("table", "the smallest network")
            table = bench.fill([bench.smallest()])
        reference = reference_of(table)
        opened = summary.opening(self._config, bench, table)
        row = bench.row(table, bench.smallest())
        if row is not None and row.seconds.low > in_seconds(budget, reference):
            shares = {unit.name: unit.share for unit in row.units if unit.share is not None}
            ranked = sorted(shares, key=shares.__getitem__, reverse=True)
            parts = [{"what": name, "seconds": shares[name] * row.seconds.median} for name in ranked]
            return summary.infeasible(opened, row.seconds.median, summary.interval_json(row.seconds), parts)
        return None

    def _search(self, bench: Bench, task: Task) -> dict[str, Any]:
        table, predictor = self._table(bench)
        opened = summary.opening(self._config, bench, table)
        scores, config = score(bench.blueprint), self._config
        objective = Objective(
            bench.blueprint, scores, task.calibration(), task.divergence, self._folder.file("objectives.jsonl")
        )
        identity = f"{structure_digest(bench.blueprint)}-{_digest(bench.blueprint)}-{config.search.calibration}"
        settings = SearchSettings(
            config.search.trials, config.search.sampler, config.run.seed, identity, _alarm(config.search.time_limit_s)
        )
        budget_s = in_seconds(config.budget.latency, reference_of(table))
        rounds = Rounds(bench, table, predictor, objective, scores, budget_s, settings, self._folder)
        finalists: list[Finalist] = []
        proven: tuple[Finalist, Finished] | None = None
        while (finalist := self._next_to_prove(rounds, finalists)) is not None:
            self._tell_few_steps(task)
            with self._timed("finish"):
                finished = finish(
                    config,
                    bench.blueprint,
                    scores,
                    objective,
                    finalist.candidate,
                    task,
                    bench.runtime,
                    self._folder,
                    self._progress,
                    {"permutation": bench.proof},
                )
            proven = finalist, finished
            if finished.verification.verdict != "missed":
                break
            refuted = finalist.candidate
            finalists[:] = [replace(one, refuted=one.refuted or one.candidate == refuted) for one in finalists]
            self._progress.note("The verification missed the budget; the search goes on with a lower aim.")
        if proven is None:
            return self._none_inside(rounds.space, predictor, opened, finalists)
        self._bundle(*proven)
        return summary.answered(opened, bench, predictor, finalists, *proven, task.metric_name)

    def _next_to_prove(self, rounds: Rounds, finalists: list[Finalist]) -> Finalist | None:
        """Search, adding to the finalists, until one of them is worth proving or nothing is left to try."""
        while (aimed := next_aim(finalists, rounds.within)) is not None:
            with self._timed("search"):
                finalists.append(rounds.search(len(finalists), aimed, self._progress))
            self._tell_finalist(finalists[-1], rounds.within.budget_s)
        return chosen(finalists, rounds.within.budget_s)

    def _table(self, bench: Bench) -> tuple[LatencyTable, Predictor]:
        """Build the table in two steps: networks that cover all cells, then some just inside the budget."""
        networks = bench.affordable(self._config.search.table_networks)
        refining = networks // REFINING
        design = bench.design(networks - refining)
        budget_s = in_seconds(self._config.budget.latency, reference_of(bench.fill([])))
        table = self._fill(bench, design, f"{len(design)} networks that cover all layers")
        rough = bench.space(bench.predictor(table, design))
        near = bench.refinement(rough, budget_s, refining)
        if near:
            table = self._fill(bench, near, f"{len(near)} networks near the budget")
        predictor = bench.predictor(table, [*design, *near])
        self._tell_table(table, predictor, budget_s)
        if self._is_rough(predictor, budget_s):
            table = self._retimed(bench, [*near, *design])
            predictor = bench.predictor(table, [*design, *near])
            self._tell_table(table, predictor, budget_s)
        return table, predictor

    def _is_rough(self, predictor: Predictor, budget_s: float) -> bool:
        """Tell whether a table errs too much to be searched by; what was decided once holds for a resumed run."""
        stored = self._folder.read_json(ROUGH_FILE, ROUGH)
        if stored is None:
            error = predictor.held_out.near(budget_s).mape
            stored = {"mean_error": error, "rough": error > summary.ROUGH_TABLE}
            self._folder.write_json(ROUGH_FILE, stored)
        return bool(stored["rough"])

    def _retimed(self, bench: Bench, candidates: list[Candidate]) -> LatencyTable:
        """Time a table's networks once more, those near the budget first, for a while."""
        self._progress.note(
            f"That is more than {format_percent(summary.ROUGH_TABLE)}: other work may have run beside the timing. Its "
            f"networks are timed once more, for {format_seconds(RETIMING_S)} at most."
        )
        return self._fill(bench, candidates, "its networks, once more", times=2, time_limit_s=RETIMING_S)

    def _fill(
        self,
        bench: Bench,
        candidates: list[Candidate],
        detail: str,
        *,
        times: int = 1,
        time_limit_s: float | None = None,
    ) -> LatencyTable:
        with self._timed("table"):
            self._progress.stage("table", detail)
            return bench.fill(
                candidates,
                progress=lambda done, total, _: self._progress.step(done, total, "networks"),
                times=times,
                time_limit_s=time_limit_s,
            )

    def _none_inside(
        self, space: SearchSpace, predictor: Predictor, opened: dict[str, Any], finalists: list[Finalist]
    ) -> dict[str, Any]:
        """No finalist was inside the budget: say what is the least that can be reached."""
        least = least_latency(space)
        held_out = predictor.held_out.to_json()
        opened = {**opened, "table": {**opened["table"], "held_out": held_out}}
        measured = min((f.measured for f in finalists), key=lambda m: m.median, default=None)
        least_s = least.latency_s if measured is None else measured.median
        return summary.infeasible(opened, least_s, summary.interval_json(measured), holds_up(space, least))

    def _bundle(self, finalist: Finalist, finished: Finished) -> None:
        place = self._folder.file(f"candidates/{finalist.candidate.digest}")
        for source, name in ((place, SUBNET), (self._folder.path, BASELINE)):
            for file in (FILES[name], *STORED_FILES[name]):
                self._folder.write(f"{BUNDLE}/{file}", content_of(source / file))
        structure = {
            "format": 1,
            "candidate": finalist.candidate.to_json(),
            "selection": finished.selection.to_json(),
            "hashes": dict(finished.verification.hashes),
            "config": self._config.identity(),
        }
        self._folder.write_json(f"{BUNDLE}/{STRUCTURE_FILE}", structure)

    # ---- telling -----------------------------------------------------------------------------------------------------

    def _tell_table(self, table: LatencyTable, predictor: Predictor, budget_s: float) -> None:
        near = predictor.held_out.near(budget_s)
        self._progress.note(
            f"The table of {len(table.networks)} networks predicts unseen ones near the budget with a mean error of "
            f"{format_percent(near.mape)} (bias {format_percent(near.bias)}); the search aims at "
            f"{format_seconds(aim(predictor, budget_s))} for a budget of {format_seconds(budget_s)}."
        )

    def _tell_finalist(self, finalist: Finalist, budget_s: float) -> None:
        share = format_percent(finalist.measured.high / budget_s)
        where = "inside" if finalist.is_inside(budget_s) else "over"
        if finalist.is_undecided(budget_s):
            where = "too unsteady to tell whether inside"
        self._progress.note(
            f"Round {finalist.round + 1}: predicted {format_seconds(finalist.predicted['estimate'])}, measured "
            f"{format_seconds(finalist.measured.median)}, {where} the budget of {format_seconds(budget_s)} (up to "
            f"{share} of it)."
        )

    def _tell_few_steps(self, task: Task) -> None:
        settings = self._config.finetune
        steps = Length.of(settings.epochs, settings.minutes, task.steps_per_epoch).steps
        if steps is not None and steps < summary.FEW_STEPS:
            self._progress.note(
                f"The fine-tuning takes {steps} steps in all ({settings.epochs:g} epochs of {task.steps_per_epoch}): "
                "few for a network that was cut. More `epochs`, or a smaller `batch_size`, make more."
            )

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            stage_seconds(self._folder, {stage: time.monotonic() - began})


def analysed(config: RunConfig, progress: Progress) -> tuple[Blueprint, Task]:
    """Load the network and its task, see that they fit, and comb the network; nothing is timed.

    Raises:
        LatheError: What the user can act on; see `search.errors`.
    """
    check_inputs(config)
    model, task = load_model(config, config.run.seed, progress.note), load_task(config, progress.note)
    blueprint = combed(config, model, example_of(config))
    rehearse(config, cut(blueprint, everything(blueprint)), task)
    check_trains(blueprint)
    return blueprint, task


def example_of(config: RunConfig) -> tuple[torch.Tensor, ...]:
    """Return example inputs of the shapes that a config names, a batch of two, with random numbers of a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(2, *shape, generator=generator) for _, shape in config.model.inputs)


def combed(config: RunConfig, model: nn.Module, example: tuple[torch.Tensor, ...]) -> Blueprint:
    """Comb a network within the limits of a config's [space].

    Raises:
        ExportError: It is larger than a file that could be delivered.
        ModelError: It does not export, there is nothing to cut, or it calls an operator that is not stored.
    """
    check_file_size(model)
    space = config.space
    blueprint = comb(model, example, keep=space.keep, only=space.only, least=space.least)
    check_storable(blueprint.trace.module.graph.nodes)
    return blueprint


def _alarm(limit_s: float | None) -> Callable[[], bool]:
    """Return what tells whether a time limit, counted from now, is over."""
    began = time.monotonic()
    return lambda: limit_s is not None and time.monotonic() - began > limit_s


def _digest(blueprint: Blueprint) -> str:
    """Return a short hash of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(blueprint.trace.module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
