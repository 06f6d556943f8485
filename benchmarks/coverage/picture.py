"""One picture of all rows: what passed, how much is left, how long it took."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import totals
from .record import NOT_REACHED, OK, TIMEOUT
from .totals import Row

# Column -> the steps that it stands for.
OURS = {
    "export": ("export",),
    "analysis": ("analysis",),
    "cut": ("select", "cut"),
    "memory": ("memory",),
    "smaller": ("smaller",),
    "proofs": ("permutation", "proofs"),
    "forward": ("forward_1", "forward_3"),
    "backward": ("backward",),
    "ONNX": ("onnx",),
    "unchanged": ("unchanged",),
}
RIVAL = {
    "graph": ("dependencies",),
    "prune": ("prune",),
    "smaller": ("smaller",),
    "forward": ("forward_1", "forward_3"),
    "ONNX": ("onnx",),
}
PASSED, FAILED, UNKNOWN = "#bcd9ea", "#d1495b", "#ececec"
OUR_COLOUR, RIVAL_COLOUR, QUIET = "#1f6f9c", "#c77d0a", "#777777"


def draw(document: dict[str, Any], path: Path) -> None:
    """Write the picture: a row for each model, small ones on top."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Rectangle

    rows: list[Row] = document["rows"]
    figure, panels = pyplot.subplots(
        1,
        4,
        figsize=(12, 2.4 + 0.255 * len(rows)),
        sharey=True,
        width_ratios=(len(OURS), len(RIVAL), 8, 10),
        layout="constrained",
    )
    mine, others = [row.get("ours") for row in rows], [totals.rival_of(row) for row in rows]
    done = totals.totals(rows)
    _grid(panels[0], mine, OURS, f"Lathe: {done['ours']['done']} of {len(rows)} pass all", OUR_COLOUR)
    _grid(panels[1], others, RIVAL, f"Torch-Pruning: {done['rival']['done']}", RIVAL_COLOUR)
    _left(panels[2], mine, others)
    _wait(panels[3], mine, others)
    panels[0].set_yticks(range(len(rows)), [f"{r['model']}  {r['parameters'] / 1e6:.1f} M" for r in rows])
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    for panel in panels:
        panel.tick_params(length=0, labelsize=9)
        panel.spines[:].set_visible(False)
    handles, labels = panels[3].get_legend_handles_labels()
    handles += [Rectangle((0, 0), 1, 1, color=colour) for colour in (PASSED, FAILED, UNKNOWN)]
    labels += ["passed", "failed (t: out of time)", "not reached"]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    figure.suptitle(f"Half of every width removed from {len(rows)} architectures of timm, random weights", fontsize=12)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _grid(
    panel: Any, entries: Sequence[Row | None], columns: dict[str, tuple[str, ...]], title: str, colour: str
) -> None:
    """Draw a field for each entry and column; above each column stands how many passed."""
    from matplotlib.patches import Rectangle

    counts = dict.fromkeys(columns, 0)
    for y, entry in enumerate(entries):
        for x, (column, steps) in enumerate(columns.items()):
            field, mark = _field(entry, steps)
            counts[column] += field == PASSED
            panel.add_patch(Rectangle((x - 0.46, y - 0.42), 0.92, 0.84, color=field, lw=0))
            panel.text(x, y, mark, ha="center", va="center", color="white", fontsize=9)
    panel.set_xlim(-0.6, len(columns) - 0.4)
    panel.xaxis.tick_top()
    panel.set_xticks(range(len(columns)), [f"{name}  {n}" for name, n in counts.items()], rotation=90)
    panel.set_title(title, color=colour, fontsize=11, loc="left", fontweight="bold")


def _field(entry: Row | None, steps: tuple[str, ...]) -> tuple[str, str]:
    outcomes = [entry["steps"][name]["outcome"] for name in steps] if entry else [NOT_REACHED]
    bad = [outcome for outcome in outcomes if outcome != OK]
    if not bad:
        return PASSED, ""
    if bad[0] == NOT_REACHED:
        return UNKNOWN, ""
    return FAILED, "t" if bad[0] == TIMEOUT else "×"


def _left(panel: Any, mine: Sequence[Row | None], others: Sequence[Row | None]) -> None:
    _lines(panel, len(mine))
    panel.axvline(100 * totals.LEFT, color=QUIET, ls="--", lw=1)
    _dots(panel, [totals.left(entry) for entry in mine], -0.12, OUR_COLOUR, 100)
    _dots(panel, [_where_done(entry, totals.left(entry)) for entry in others], 0.12, RIVAL_COLOUR, 100)
    panel.set_xlim(0, 104)
    panel.xaxis.tick_top()
    panel.set_xticks([0, 25, 100 * totals.LEFT, 75, 100])
    panel.set_title("parameters left, %", fontsize=11, loc="left")


def _wait(panel: Any, mine: Sequence[Row | None], others: Sequence[Row | None]) -> None:
    _lines(panel, len(mine))
    panel.axvline(totals.WAIT_MEDIAN_S, color=QUIET, ls="--", lw=1)
    waits = [totals.wait(entry, "ours") for entry in mine]
    _dots(panel, waits, -0.12, OUR_COLOUR, 1, label="Lathe, export to cut")
    if not any(entry and entry.get("analysis_holds_export") for entry in mine):
        alone = [totals.seconds(entry, ("analysis",)) for entry in mine]
        _dots(panel, alone, -0.12, OUR_COLOUR, 1, marker="|", label="Lathe, analysis alone")
    _dots(
        panel,
        [_where_done(entry, totals.wait(entry, "rival")) for entry in others],
        0.12,
        RIVAL_COLOUR,
        1,
        label="Torch-Pruning, graph and prune, where it is done",
    )
    panel.set_xscale("log")
    panel.xaxis.tick_top()
    panel.set_xticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
    panel.minorticks_off()
    panel.set_title("seconds", fontsize=11, loc="left")


def _where_done(entry: Row | None, value: float | None) -> float | None:
    return value if totals.passed(entry, totals.RIVAL_DONE) else None


def _dots(
    panel: Any,
    values: Sequence[float | None],
    shift: float,
    colour: str,
    scale: float,
    marker: str = "o",
    label: str = "",
) -> None:
    found = [(scale * value, y + shift) for y, value in enumerate(values) if value is not None]
    panel.plot([x for x, _ in found], [y for _, y in found], marker, color=colour, ms=5, mew=1.5, label=label)


def _lines(panel: Any, rows: int) -> None:
    for y in range(rows):
        panel.axhline(y, color="#eeeeee", lw=1, zorder=0)
