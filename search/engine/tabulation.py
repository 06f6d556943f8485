"""Build the table that a search is led by: wide first, then near the budget, and once more where it errs too much."""

from __future__ import annotations

from typing import Any

from hwprofiles import format_percent, format_seconds
from latency_tables import LatencyTable, Predictor

from ..bench import Bench, in_seconds, reference_of
from ..bundle import ROUGH
from ..config import RunConfig
from ..folder import Folder
from ..graph import Candidate
from ..progress import Progress
from . import doubts
from .folder import timed
from .rounds import aim

ROUGH_FILE = "rough.json"

RETIMING_S = 60.0
"""For how long a table that errs too much is timed once more."""

REFINING = 3
"""One network of so many in a table is drawn just inside the budget; the others cover all cells."""


class Tabulation:
    """Builds a run's table.

    Args:
        config: What the run is told.
        folder: Keeps whether the table was once found to err too much.
        progress: Told how far it is.
        bench: The network on its target, with its knobs.
    """

    def __init__(self, config: RunConfig, folder: Folder, progress: Progress, bench: Bench) -> None:
        self._config, self._folder, self._progress, self._bench = config, folder, progress, bench

    def table(self) -> tuple[LatencyTable, Predictor]:
        """Build the table in two steps: networks that cover all cells, then some just inside the budget."""
        networks = self._bench.affordable(self._config.search.table_networks)
        refining = networks // REFINING
        design = self._bench.design(networks - refining)
        budget_s = in_seconds(self._config.budget.latency, reference_of(self._bench.fill([])))
        table = self._fill(design, f"{len(design)} networks that cover all layers")
        rough = self._bench.space(self._bench.predictor(table, design))
        near = self._bench.refinement(rough, budget_s, refining)
        if near:
            table = self._fill(near, f"{len(near)} networks near the budget")
        predictor = self._bench.predictor(table, [*design, *near])
        self._tell_table(table, predictor, budget_s)
        if self._is_rough(predictor, budget_s):
            table = self._retimed([*near, *design])
            predictor = self._bench.predictor(table, [*design, *near])
            self._tell_table(table, predictor, budget_s)
        return table, predictor

    def _is_rough(self, predictor: Predictor, budget_s: float) -> bool:
        """Tell whether a table errs too much to be searched by; what was decided once holds for a resumed run."""

        def judge() -> dict[str, Any]:
            error = predictor.held_out.near(budget_s).mape
            return {"mean_error": error, "rough": error > doubts.ROUGH_TABLE}

        return bool(self._folder.step(ROUGH_FILE, ROUGH, judge)["rough"])

    def _retimed(self, candidates: list[Candidate]) -> LatencyTable:
        """Time a table's networks once more, those near the budget first, for a while."""
        self._progress.note(
            f"That is more than {format_percent(doubts.ROUGH_TABLE)}: other work may have run beside the timing. Its "
            f"networks are timed once more, for {format_seconds(RETIMING_S)} at most."
        )
        return self._fill(candidates, "its networks, once more", times=2, time_limit_s=RETIMING_S)

    def _fill(
        self,
        candidates: list[Candidate],
        detail: str,
        *,
        times: int = 1,
        time_limit_s: float | None = None,
    ) -> LatencyTable:
        with timed(self._folder, "table"):
            self._progress.stage("table", detail)
            return self._bench.fill(
                candidates,
                progress=lambda done, total, _: self._progress.step(done, total, "networks"),
                times=times,
                time_limit_s=time_limit_s,
            )

    def _tell_table(self, table: LatencyTable, predictor: Predictor, budget_s: float) -> None:
        near = predictor.held_out.near(budget_s)
        self._progress.note(
            f"The table of {len(table.networks)} networks predicts unseen ones near the budget with a mean error of "
            f"{format_percent(near.mape)} (bias {format_percent(near.bias)}); the search aims at "
            f"{format_seconds(aim(predictor, budget_s))} for a budget of {format_seconds(budget_s)}."
        )
