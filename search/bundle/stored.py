"""The shapes of the JSON files in a run folder and a bundle; see `hwprofiles.check_shape`."""

from __future__ import annotations

from typing import Any

from hwprofiles import check_shape

from ..verdicts import VERDICTS

IDENTITY = {str: object}
SECONDS = {str: float}
STARTS = [{"format": int, "dims": {str: int}, "blocks": {str: str}, "layers": {str: str}, "resolution": (int, None)}]
TUNED = {"history": [{"epoch": int, "steps": int, "loss": float, "lr": float}], "seconds": float}
PROOFS = {str: {"max_abs_diff": (float, None), "tolerance": float, "passed": (bool, None), "exact": bool, "note": str}}
SCORES = {"accuracy": {"baseline": float, "subnet": float}, "export_difference": float}
ROUGH = {"mean_error": float, "rough": bool}
TIMED = {"hashes": {str: str}, "measurement": {str: object}}

_INTERVAL = ({"median": float, "low": float, "high": float}, None)

REPORT: dict[str, Any] = {
    "format": int,
    "verdict": frozenset(VERDICTS),
    "target": str,
    "budget": {"text": str, "kind": frozenset({"time", "fraction"}), "value": float},
    "budget_s": (float, None),
    "latency_s": {"baseline": _INTERVAL, "subnet": _INTERVAL},
    "parameters": {"baseline": int, "subnet": (int, None)},
    "ratio?": _INTERVAL,
    "accuracy?": ({"name": str, "baseline": float, "subnet": float}, None),
    "hashes?": ({str: str}, None),
    "files?": ({str: str}, None),
    "warnings?": [str],
    "infeasible?": (
        {"least_latency_s": float, "holds_up": [{"what": str, "seconds": float}], "nearest_budget": str},
        None,
    ),
}
"""What a bundle is not used without. `Report` checks the rest, where it is there."""


def check_report(report: object) -> None:
    """Check that a document is a report of a run.

    Raises:
        ValueError: It lacks something, or something in it is of another type.
    """
    check_shape(report, REPORT, "a report")
