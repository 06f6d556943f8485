"""The spine: a config in, a report out; every step that is done is read back from the run folder."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwprofiles import LatheError, Runtime, format_percent, format_seconds
from latency_tables import LatencyTable, Predictor, Store

from ..config import RunConfig, load_model
from ..deploy import BASELINE, SUBNET, check_file_size, content_of, structure_digest
from ..errors import DataError
from ..graph import Blueprint, Candidate, comb
from ..graph.tracing import user_line
from ..importance import score
from ..surgery import check_storable
from ..tasks import Task, load_task
from . import summary
from .bench import Bench, in_seconds, is_unneeded, reference_of
from .exact import least_latency
from .finish import Finished, finish
from .folder import RunFolder, open_folder, stage_seconds, translated
from .layout import FILES, REPORT_FILE, STORED_FILES, STRUCTURE_FILE
from .objective import Objective
from .progress import Progress, Silent
from .rounds import Finalist, SearchSettings, aim, holds_up, rounds

TABLE_FILE = "table.jsonl"
BUNDLE = "bundle"

REFINING = 3
"""One network of so many in a table is drawn just inside the budget; the others cover all cells."""


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


def execute(config: RunConfig, *, progress: Progress | None = None, runtime: Runtime | None = None) -> Outcome:
    """Run a config to its end, or go on where it was stopped.

    Args:
        config: What to do.
        progress: Told how far it is.
        runtime: Times files; by default the one that the target names.

    Raises:
        LatheError: What the user can act on; see `search.errors`.
    """
    progress = progress or Silent()
    with open_folder(config) as folder, translated(folder.path), flushed_denormals():
        stored = folder.read_json(f"{BUNDLE}/{REPORT_FILE}")
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
            model, task = load_model(self._config, self._config.run.seed), load_task(self._config)
            example = example_of(self._config)
            blueprint = combed(self._config, model, example)
            check_task(model, task, example)
            store = Store(self._folder.file(TABLE_FILE))
            seed, runtime = self._config.run.seed, self._given_runtime
            bench = Bench.open(blueprint, self._config.target, store, seed, runtime, self._progress)
        quick = self._quick_answer(bench)
        return quick if quick is not None else self._search(bench, task)

    def _quick_answer(self, bench: Bench) -> dict[str, Any] | None:
        """Time the unpruned and the smallest network: budgets above or below both need no search."""
        budget = self._config.budget.latency
        with self._timed("table"):
            self._progress.stage("table", "the unpruned and the smallest network")
            table = bench.fill([bench.smallest()])
        reference = reference_of(table)
        opened = summary.opening(self._config, bench, table)
        if is_unneeded(budget, reference):
            return summary.unneeded(opened)
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
        scores = score(bench.blueprint)
        objective = Objective(
            bench.blueprint, scores, task.calibration(), task.divergence, self._folder.file("objectives.jsonl")
        )
        config = self._config
        identity = f"{structure_digest(bench.blueprint)}-{_digest(bench.blueprint)}-{config.search.calibration}"
        settings = SearchSettings(
            config.search.trials, config.search.sampler, config.run.seed, identity, _alarm(config.search.time_limit_s)
        )
        finalists: list[Finalist] = []
        proven: tuple[Finalist, Finished] | None = None
        budget_s = in_seconds(config.budget.latency, reference_of(table))
        found = rounds(
            bench, table, predictor, objective, scores, config.budget.latency, settings, self._folder, self._progress
        )
        for finalist in self._timed_rounds(found):
            finalists.append(finalist)
            self._tell_finalist(finalist, budget_s)
            if not finalist.is_worth_proving(budget_s):
                continue
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
            self._progress.note("The verification missed the budget; the search goes on with a lower aim.")
        if proven is None:
            return self._none_inside(bench, predictor, opened, finalists)
        self._bundle(*proven)
        return summary.answered(opened, bench, predictor, finalists, *proven, task.metric_name)

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
        return table, predictor

    def _fill(self, bench: Bench, candidates: list[Candidate], detail: str) -> LatencyTable:
        with self._timed("table"):
            self._progress.stage("table", detail)
            return bench.fill(candidates, progress=lambda done, total, _: self._progress.step(done, total))

    def _none_inside(
        self, bench: Bench, predictor: Predictor, opened: dict[str, Any], finalists: list[Finalist]
    ) -> dict[str, Any]:
        """No finalist was inside the budget: say what is the least that can be reached."""
        space = bench.space(predictor)
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
        inside = "inside" if finalist.is_inside(budget_s) else "over"
        self._progress.note(
            f"Round {finalist.round + 1}: predicted {format_seconds(finalist.predicted['estimate'])}, measured "
            f"{format_seconds(finalist.measured.median)}, {inside} the budget of {format_seconds(budget_s)}."
        )

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            stage_seconds(self._folder, {stage: time.monotonic() - began})

    def _timed_rounds(self, found: Iterator[Finalist]) -> Iterator[Finalist]:
        while True:
            with self._timed("search"):
                finalist = next(found, None)
            if finalist is None:
                return
            yield finalist


def example_of(config: RunConfig) -> tuple[torch.Tensor, ...]:
    """Return example inputs of the shapes that a config names, a batch of two."""
    return tuple(torch.zeros(2, *shape) for _, shape in config.model.inputs)


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


def check_task(model: nn.Module, task: Task, example: tuple[torch.Tensor, ...]) -> None:
    """Check that network and task fit, before anything that takes long.

    Raises:
        DataError: There is no held-out batch, the task does not take the network's outputs, or the unpruned network's
            loss is not a number.
    """
    batch = next(iter(task.val_batches()), None)
    if batch is None:
        raise DataError("A task needs at least one held-out batch, but there was none.")
    inputs, targets = batch
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            outputs = model(inputs)
            task.metric(outputs, targets)
            loss = float(task.loss(outputs, targets))
    except LatheError:
        raise
    except Exception as exc:
        raise DataError(
            f"The task must take the network's outputs, but on the first held-out batch (inputs of shape "
            f"{list(inputs.shape[1:])}, network made for {[list(x.shape[1:]) for x in example]}) it raised "
            f"{type(exc).__name__}: {exc}{user_line(exc)}. Correct `input` in [model], the network or the task."
        ) from exc
    finally:
        model.train(was_training)
    if not math.isfinite(loss):
        raise DataError(
            f"The unpruned network's loss must be a number, but on the first held-out batch it is {loss:g}: look for "
            "values that are not numbers in the weights, the data or the task's loss."
        )


def _digest(blueprint: Blueprint) -> str:
    """Return a short hash of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(blueprint.trace.module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
