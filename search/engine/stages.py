"""The stages of a run, one after the other: analyse, table, search, finish."""

from __future__ import annotations

from dataclasses import replace

from hwprofiles import Runtime, format_percent, format_seconds
from latency_tables import LatencyTable, Store

from ..bench import Bench, in_seconds, is_unneeded, reference_of
from ..bundle import BUNDLE, FILES, STORED_FILES, STRUCTURE_FILE, Report
from ..config import RunConfig
from ..deploy import BASELINE, SUBNET, content_of
from ..finetune import Length
from ..folder import Folder
from ..importance import score
from ..progress import Progress
from ..solve import least_latency
from ..study import Objective
from ..tasks import Task
from . import doubts, summary
from .aiming import chosen, next_aim
from .context import Context
from .finalist import Finalist
from .finish import Finished, finish
from .folder import timed
from .loading import analysed
from .rounds import Rounds, holds_up
from .tabulation import Tabulation

TABLE_FILE = "table.jsonl"


class Stages:
    """One pass from config to report; what is done already is read from the folder.

    Args:
        config: What the run is told.
        folder: Its own.
        progress: Told how far it is.
        runtime: Times files; by default the one that the target names.
    """

    def __init__(self, config: RunConfig, folder: Folder, progress: Progress, runtime: Runtime | None) -> None:
        self._config, self._folder, self._progress = config, folder, progress
        self._given_runtime = runtime

    def report(self) -> Report:
        """Return what the run answers."""
        with timed(self._folder, "analyse"):
            self._progress.stage("analyse", "the network's structure")
            blueprint, task = analysed(self._config, self._progress)
            store = Store(self._folder.file(TABLE_FILE))
            seed, runtime = self._config.run.seed, self._given_runtime
            bench = Bench.unswept(blueprint, self._config.target, store, seed, runtime)
        with timed(self._folder, "table"):
            self._progress.stage("table", "the unpruned network")
            table = bench.fill([])
        if is_unneeded(self._config.budget.latency, reference_of(table)):
            return summary.opening(self._config, bench, table, "unneeded")
        with timed(self._folder, "table"):
            bench = bench.swept(self._progress)
        out_of_reach = self._out_of_reach(bench)
        return out_of_reach if out_of_reach is not None else self._search(bench, task)

    def _out_of_reach(self, bench: Bench) -> Report | None:
        """Time the smallest network: budgets below it need no search."""
        budget = self._config.budget.latency
        with timed(self._folder, "table"):
            self._progress.stage("table", "the smallest network")
            table = bench.fill([bench.smallest()])
        reference = reference_of(table)
        row = bench.row(table, bench.smallest())
        if row is not None and row.seconds.low > in_seconds(budget, reference):
            shares = {piece.name: piece.share for piece in row.pieces if piece.share is not None}
            ranked = sorted(shares, key=shares.__getitem__, reverse=True)
            parts = [{"what": name, "seconds": shares[name] * row.seconds.median} for name in ranked]
            opened = summary.opening(self._config, bench, table, "infeasible")
            return summary.infeasible(opened, reference, row.seconds.median, row.seconds, parts)
        return None

    def _search(self, bench: Bench, task: Task) -> Report:
        config = self._config
        table, predictor = Tabulation(config, self._folder, self._progress, bench).table()
        # So it ends if nothing that is found can be proven.
        opened = summary.opening(config, bench, table, "infeasible")
        context = self._context(bench, task)
        rounds = Rounds(context, table, predictor)
        finalists: list[Finalist] = []
        proven: tuple[Finalist, Finished] | None = None
        while (finalist := self._next_to_prove(rounds, finalists)) is not None:
            self._tell_few_steps(task)
            with timed(self._folder, "finish"):
                finished = finish(context, finalist.candidate)
            proven = finalist, finished
            if finished.verification.verdict != "missed":
                break
            refuted = finalist.candidate
            finalists[:] = [replace(one, refuted=one.refuted or one.candidate == refuted) for one in finalists]
            self._progress.note("The verification missed the budget; the search goes on with a lower aim.")
        if proven is None:
            return self._none_inside(rounds, summary.with_errors(opened, predictor), table, finalists)
        self._bundle(*proven)
        return summary.answered(opened, bench, predictor, finalists, *proven, task.metric_name)

    def _context(self, bench: Bench, task: Task) -> Context:
        scores = score(bench.blueprint)
        memory = self._folder.file("objectives.jsonl")
        objective = Objective(bench.blueprint, scores, task.calibration(), task.divergence, memory)
        return Context(self._config, self._folder, self._progress, bench, task, scores, objective)

    def _next_to_prove(self, rounds: Rounds, finalists: list[Finalist]) -> Finalist | None:
        """Search, adding to the finalists, until one of them is worth proving or nothing is left to try."""
        while (aimed := next_aim(finalists, rounds.within)) is not None:
            with timed(self._folder, "search"):
                finalists.append(rounds.search(len(finalists), aimed))
            self._tell_finalist(finalists[-1], rounds.within.budget_s)
        return chosen(finalists, rounds.within.budget_s)

    def _none_inside(self, rounds: Rounds, opened: Report, table: LatencyTable, finalists: list[Finalist]) -> Report:
        """No finalist was inside the budget: say what is the least that can be reached."""
        least = least_latency(rounds.space)
        measured = min((f.measured for f in finalists), key=lambda m: m.median, default=None)
        least_s = least.latency_s if measured is None else measured.median
        parts = holds_up(rounds.space, least)
        return summary.infeasible(opened, reference_of(table), least_s, measured, parts)

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
        if steps is not None and steps < doubts.FEW_STEPS:
            self._progress.note(
                f"The fine-tuning takes {steps} steps in all ({settings.epochs:g} epochs of {task.steps_per_epoch}): "
                "few for a network that was cut. More `epochs`, or a smaller `batch_size`, make more."
            )
