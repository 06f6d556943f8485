"""One picture: predicted against measured for each network, and each predictor's errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

COLOURS = {"table": "#1f6f9c", "flops": "#c77d0a", "isolated": "#d1495b"}
LABELS = {"table": "Lathe's table", "flops": "FLOPs, fitted", "isolated": "sum of isolated layers"}


def draw(results: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write the picture: a column for each network."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        2, len(results), figsize=(3.3 * len(results), 6.2), squeeze=False, layout="constrained", height_ratios=(3, 2)
    )
    for column, (name, found) in enumerate(results.items()):
        rows = found["networks"]
        measured = np.array([row["measured"] for row in rows])
        above, below = panels[0][column], panels[1][column]
        span = np.array([0.0, 1.05 * measured.max()])
        above.fill_between(span, 0.9 * span, 1.1 * span, color="#e4ecf2", lw=0, label="within 10 %")
        above.fill_between(span, 0.95 * span, 1.05 * span, color="#c9dbe7", lw=0, label="within 5 %")
        for key, colour in COLOURS.items():
            if key not in rows[0]:
                continue
            predicted = np.array([row[key] for row in rows])
            size, order = (16, 3) if key == "table" else (9, 2)
            above.scatter(measured, predicted, s=size, color=colour, label=LABELS[key], zorder=order, lw=0)
            errors = np.sort(np.abs(predicted / measured - 1))
            below.plot(100 * errors, np.arange(1, len(errors) + 1) / len(errors), color=colour, label=LABELS[key])
        figures = found["predictors"]["table"]
        share, worst = 100 * figures["within_5"], 100 * figures["worst"]
        above.set_title(f"{name}\n{share:.1f} % within 5 %, worst {worst:.1f} %", fontsize=10)
        above.set(xlabel="measured / unpruned", xlim=span, ylim=span)
        below.axvline(5, color="#aaaaaa", lw=0.8, ls=":")
        below.set(xlabel="absolute error, %", xlim=(0, 30), ylim=(0, 1.02))
    panels[0][0].set_ylabel("predicted / unpruned")
    panels[1][0].set_ylabel("share of networks")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside upper center", ncols=3)
    figure.savefig(path, dpi=140)
