"""Print what a run answered."""

from __future__ import annotations

import json
from typing import Any

from ..bundle import Report
from ..engine import Outcome
from ..verdicts import VERDICTS
from .terminal import show_report, terminal

PROMISED = (
    "verdict",
    "budget_s",
    "latency_s",
    "ratio",
    "predicted_s",
    "accuracy",
    "parameters",
    "wall_s",
    "targets",
    "limits",
)
"""Keys of report.json that `--json` prints, whatever they hold."""

IF_ANY = ("infeasible", "warnings")
"""Those that it prints where they hold anything."""


def answer(outcome: Outcome, as_json: bool) -> int:
    """Print what a run answered, and return the exit status of its verdict."""
    report = outcome.report
    if as_json:
        print(json.dumps(_contract(report) | {"bundle": str(outcome.bundle)}, allow_nan=False))  # noqa: T201
    else:
        console = terminal()
        show_report(console, report)
        console.print(f"report: {outcome.bundle / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
    return VERDICTS[report.verdict].exit_status


def _contract(report: Report) -> dict[str, Any]:
    """Return the keys that `--json` promises, but for the bundle's place."""
    written = report.to_json()
    return {key: written[key] for key in PROMISED} | {key: written[key] for key in IF_ANY if written[key]}
