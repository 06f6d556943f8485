"""What is asked of predictions, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import kendalltau

WITHIN: Mapping[str, tuple[float | None, float]] = {
    "onnxruntime": (0.95, 1.0),
    "openvino": (0.9, 0.98),
    "torch": (0.9, 0.98),
    "aotinductor": (None, 0.9),
}
"""Runtime -> what share of networks is to be within 5 % (None: nothing was asked), and within 10 %."""

MOST_ERROR = 0.007
"""Relative standard error up to which the true times are to be known."""

MOST_COMPILED = 20
"""Networks, the unpruned one among them, that a table is to be made of where each is a long compilation."""


def errors(predicted: Sequence[float], measured: Sequence[float]) -> dict[str, float]:
    """Return the figures of one predictor on one network."""
    off = np.asarray(predicted) / np.asarray(measured) - 1
    return {
        "mape": float(np.mean(np.abs(off))),
        "bias": float(np.mean(off)),
        "within_5": float(np.mean(np.abs(off) <= 0.05)),
        "within_10": float(np.mean(np.abs(off) <= 0.10)),
        "worst": float(np.max(np.abs(off))),
        "kendall_tau": float(kendalltau(predicted, measured).statistic),
    }


def claims(results: Mapping[str, Mapping[str, Any]], runtime: str) -> list[tuple[str, str, str, bool]]:
    """Return (network, asked, measured, met), a row for each figure that was asked for."""
    rows, (five, ten) = [], WITHIN[runtime]
    for name, found in results.items():
        table, worst = found["predictors"]["table"], found["standard_error"]["worst"]
        if five is not None:
            rows.append(
                (name, f"within 5 %: at least {five:.0%}", f"{table['within_5']:.1%}", table["within_5"] >= five)
            )
        rows += [
            (name, f"within 10 %: at least {ten:.0%}", f"{table['within_10']:.1%}", table["within_10"] >= ten),
            (name, "bias: within 1 %", f"{table['bias']:+.2%}", abs(table["bias"]) <= 0.01),
            (
                name, "tau: at least its ceiling less 0.04",
                f"{table['kendall_tau']:.3f}, ceiling {found['tau_ceiling']:.3f}",
                table["kendall_tau"] >= found["tau_ceiling"] - 0.04,
            ),
            _built(name, found, runtime),
            (name, "truth: standard error at most 0.7 %", f"{worst:.2%} at worst", worst <= MOST_ERROR),
            (name, "predictions: at least 200,000 a second", f"{found['candidates_per_s']:,.0f}",
             found["candidates_per_s"] >= 200_000),
        ]  # fmt: skip
        rate = found["kernel_hit_rate"]
        if rate is not None:
            rows.append((name, "kernels predicted: at least 98 %", f"{rate:.1%}", rate >= 0.98))
    inside = [row["inside"] for found in results.values() for row in found["networks"]]
    share = sum(inside) / len(inside)
    rows.append(("all", "95 % intervals hold 91 to 98 %", f"{share:.1%} of {len(inside)}", 0.91 <= share <= 0.98))
    for mark, limit, key in (("nn-Meter's 99.0 % within 10 %", 0.99, "within_10"),
                             ("LitePred's 90.5 % within 5 %", 0.905, "within_5"),
                             ("LitePred's 98.9 % within 10 %", 0.989, "within_10")):  # fmt: skip
        mean = float(np.mean([found["predictors"]["table"][key] for found in results.values()]))
        rows.append(("all", f"published: {mark}", f"{mean:.1%}", mean >= limit))
    return rows


def _built(name: str, found: Mapping[str, Any], runtime: str) -> tuple[str, str, str, bool]:
    if WITHIN[runtime][0] is None:
        networks = found["networks_timed"] + 1
        return name, f"building: at most {MOST_COMPILED} compilations", str(networks), networks <= MOST_COMPILED
    return name, "building: at most 4 min", f"{found['build_s']:.0f} s", found["build_s"] <= 240
