"""Draw the charts of a report: numbers in, plotly's traces and layout out. Times stay in seconds; axes scale them."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import accumulate
from typing import Any

from ..bundle import Epoch, Spread, Trial, Window
from ..pages import (
    AXIS,
    BASELINE,
    BUDGET,
    MOST_NAMED_BARS,
    OTHERS,
    SECONDS_AXIS,
    SUBNET,
    Chart,
    error_bars,
    label,
)


def latency_chart(networks: Sequence[tuple[str, Spread]], budget_s: float | None) -> Chart:
    """Draw the median seconds of each network with its interval, and the budget as a line.

    Args:
        networks: Name and seconds of each, the unpruned network first.
        budget_s: Seconds; None where it is not known.
    """
    values = [spread.median for _, spread in networks]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": values,
        "y": [label(name) for name, _ in networks],
        "width": 0.55,
        "marker": {"color": [BASELINE, SUBNET][: len(networks)]},
        "error_x": _bars([spread for _, spread in networks]),
        "hovertemplate": "%{y}: %{x:.4s}s<extra></extra>",
    }
    shapes, notes = _budget_mark(budget_s, "x")
    layout = {
        "xaxis": {**SECONDS_AXIS, "rangemode": "tozero", "title": {"text": "median time of one run"}},
        "yaxis": {**AXIS, "autorange": "reversed", "showgrid": False},
        "shapes": shapes,
        "annotations": notes,
        "showlegend": False,
        "margin": {"t": 28},
    }
    return Chart("latency", "Median time of one run of each network", (bars,), layout, 210)


def windows_chart(windows: Sequence[Window]) -> Chart:
    """Draw what each window measured for both networks."""
    traces = tuple(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": list(range(1, len(windows) + 1)),
            "y": list(values),
            "line": {"color": colour, "width": 1},
            "marker": {"color": colour, "size": 6},
            "hovertemplate": "window %{x}: %{y:.4s}s<extra></extra>",
        }
        for name, values, colour in (
            ("unpruned", [window.baseline for window in windows], BASELINE),
            ("subnet", [window.subnet for window in windows], SUBNET),
        )
    )
    layout = {
        "xaxis": {**AXIS, "title": {"text": "window"}, "tickformat": "d"},
        "yaxis": {**SECONDS_AXIS, "rangemode": "tozero"},
    }
    return Chart("windows", "Time of one run in each window of the verification", traces, layout, 260)


def widths_chart(names: Sequence[str], baseline: Sequence[float | None], subnet: Sequence[float | None]) -> Chart:
    """Draw the width of each dim before and after; a removed one has no bar after."""
    named = len(names) <= MOST_NAMED_BARS
    rows = list(range(len(names)))
    traces = tuple(
        {
            "type": "bar",
            "orientation": "h",
            "name": words,
            "x": list(values),
            "y": rows,
            "width": width,
            "customdata": [escape(name, quote=False) for name in names],
            "marker": {"color": colour},
            "hovertemplate": f"%{{customdata}}<br>{words}: %{{x}}<extra></extra>",
        }
        for words, values, colour, width in (
            ("unpruned", baseline, BASELINE, 0.78),
            ("subnet", subnet, SUBNET, 0.42),
        )
    )
    ticks = {"tickvals": rows, "ticktext": [label(name) for name in names]} if named else {"showticklabels": False}
    layout = {
        "barmode": "overlay",
        "xaxis": {**AXIS, "title": {"text": "units"}, "rangemode": "tozero"},
        "yaxis": {**AXIS, **ticks, "range": [len(names) - 0.4, -0.6], "showgrid": False, "tickfont": {"size": 11}},
    }
    return Chart(
        "widths", "Units of each dim before and after", traces, layout, 110 + len(names) * (22 if named else 6)
    )


def agreement_chart(points: Sequence[tuple[str, float, Spread]]) -> Chart:
    """Draw measured over predicted seconds; on the line they agree.

    Args:
        points: Name, predicted and measured seconds of each network.
    """
    ends = [value for _, told, found in points for value in (told, found.median)]
    span = [0.95 * min(ends), 1.05 * max(ends)]
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": span,
        "y": span,
        "name": "agreement",
        "line": {"color": BASELINE, "dash": "dot", "width": 1.5},
        "hoverinfo": "skip",
    }
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "networks",
        "x": [told for _, told, _ in points],
        "y": [found.median for _, _, found in points],
        "error_y": _bars([found for _, _, found in points]),
        "text": [label(name) for name, _, _ in points],
        "marker": {"color": SUBNET, "size": 9},
        "hovertemplate": "%{text}<br>predicted %{x:.4s}s, measured %{y:.4s}s<extra></extra>",
    }
    layout = {
        "xaxis": {**SECONDS_AXIS, "title": {"text": "predicted"}},
        "yaxis": {**SECONDS_AXIS, "title": {"text": "measured"}},
    }
    return Chart("agreement", "Measured over predicted time", (line, dots), layout, 320)


def history_chart(trials: Sequence[Trial], best: int | None) -> Chart:
    """Draw the objective of each trial, all of which have one, in a colour for each origin, and the best so far."""
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "x": [trial.number for trial in trials],
        "y": list(accumulate(map(_loss, trials), min)),
        "line": {"color": BASELINE, "width": 1.5, "shape": "hv"},
        "hoverinfo": "skip",
    }
    layout = {
        "xaxis": {**AXIS, "title": {"text": "trial"}, "tickformat": "d"},
        "yaxis": {**AXIS, "title": {"text": "objective (lower is better)"}, **_scale(trials)},
    }
    return Chart("history", "Objective of each trial", (line, *_by_origin(trials, "number", best)), layout, 320)


def front_chart(trials: Sequence[Trial], best: int | None, budget_s: float | None) -> Chart:
    """Draw the objective over the predicted seconds of trials that have both, the front as a line, and the budget."""
    edge = front(trials)
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [trial.predicted_s for trial in edge],
        "y": [_loss(trial) for trial in edge],
        "line": {"color": BASELINE, "width": 1.5, "shape": "hv"},
        "hoverinfo": "skip",
    }
    shapes, notes = _budget_mark(budget_s, "x")
    layout = {
        "xaxis": {**SECONDS_AXIS, "title": {"text": "predicted time of one run"}},
        "yaxis": {**AXIS, "title": {"text": "objective (lower is better)"}, **_scale(trials)},
        "shapes": shapes,
        "annotations": notes,
    }
    traces = (line, *_by_origin(trials, "predicted_s", best))
    return Chart("front", "Objective over predicted time", traces, layout, 340)


def front(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that no other beats in both time and objective, fastest first."""
    edge: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: (_or_infinite(trial.predicted_s), _loss(trial))):
        if not edge or _loss(trial) < _loss(edge[-1]):
            edge.append(trial)
    return edge


def tuning_chart(epochs: Sequence[Epoch]) -> Chart:
    """Draw the loss and, on an axis of its own where it was measured, the accuracy of each epoch."""
    scored = any(epoch.accuracy is not None for epoch in epochs)
    series = [("loss", [epoch.loss for epoch in epochs], "y", OTHERS[0])]
    if scored:
        series.append(("accuracy", [epoch.accuracy for epoch in epochs], "y2", SUBNET))
    traces = tuple(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": [epoch.epoch for epoch in epochs],
            "y": values,
            "yaxis": axis,
            "line": {"color": colour, "width": 2},
            "hovertemplate": f"epoch %{{x}}: {name} %{{y:.4g}}<extra></extra>",
        }
        for name, values, axis, colour in series
    )
    layout: dict[str, Any] = {
        "xaxis": {**AXIS, "title": {"text": "epoch"}, "tickformat": "d", "nticks": 10},
        "yaxis": {**AXIS, "title": {"text": "loss"}, "rangemode": "tozero"},
    }
    if scored:
        second = {"title": {"text": "accuracy"}, "tickformat": ".1~%", "overlaying": "y", "side": "right"}
        layout["yaxis2"] = {**AXIS, **second, "showgrid": False}
    return Chart("tuning", f"Loss {'and accuracy ' * scored}of each epoch of fine-tuning", traces, layout, 280)


def floor_chart(parts: Sequence[tuple[str, float]]) -> Chart:
    """Draw the seconds of the parts that hold the least reachable latency up."""
    rows = list(range(len(parts)))
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [value for _, value in parts],
        "y": rows,
        "marker": {"color": BUDGET},
        "customdata": [escape(what, quote=False) for what, _ in parts],
        "hovertemplate": "%{customdata}: %{x:.4s}s<extra></extra>",
    }
    layout = {
        "xaxis": {**SECONDS_AXIS, "rangemode": "tozero"},
        "yaxis": {
            **AXIS,
            "tickvals": rows,
            "ticktext": [label(what) for what, _ in parts],
            "autorange": "reversed",
            "showgrid": False,
        },
        "showlegend": False,
    }
    return Chart("floor", "Time of what holds the least latency up", (bars,), layout, 90 + 30 * len(parts))


def origin_of(trial: Trial) -> str:
    """Return who proposed a trial."""
    return trial.origin or "search"


def _by_origin(trials: Sequence[Trial], x: str, best: int | None) -> list[dict[str, Any]]:
    origins = list(dict.fromkeys(origin_of(trial) for trial in trials))
    traces = []
    for place, origin in enumerate(origins):
        own = [trial for trial in trials if origin_of(trial) == origin]
        traces.append(_dots(own, x, label(origin), {"color": OTHERS[place % len(OTHERS)], "size": 7, "opacity": 0.8}))
    chosen = [trial for trial in trials if best is not None and trial.number == best]
    if chosen:
        ring = {"color": SUBNET, "size": 13, "symbol": "circle-open", "line": {"width": 3}}
        traces.append(_dots(chosen, x, "chosen", ring))
    return traces


def _dots(trials: Sequence[Trial], x: str, name: str, marker: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [getattr(trial, x) for trial in trials],
        "y": [_loss(trial) for trial in trials],
        "text": [f"trial {trial.number}" for trial in trials],
        "marker": dict(marker),
        "hovertemplate": "%{text}: %{y:.4g}<extra></extra>",
    }


def _scale(trials: Sequence[Trial]) -> dict[str, Any]:
    """Choose a logarithmic axis where the objectives span more than two decades."""
    values = [_loss(trial) for trial in trials]
    return {"type": "log", "dtick": 1} if min(values) > 0 and max(values) > 100 * min(values) else {}


def _loss(trial: Trial) -> float:
    return _or_infinite(trial.objective)


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value


def _bars(spreads: Sequence[Spread]) -> dict[str, Any]:
    known = ({"median": one.median, "low": one.low, "high": one.high} for one in spreads)
    return error_bars([{key: end for key, end in one.items() if end is not None} for one in known], "median")


def _budget_mark(budget_s: float | None, axis: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    if budget_s is None:
        return [], []
    place = {"xref": axis, "yref": "paper"}
    line = {"color": BUDGET, "width": 2, "dash": "dash"}
    shape = {"type": "line", **place, "x0": budget_s, "x1": budget_s, "y0": 0, "y1": 1, "line": line}
    note = {**place, "x": budget_s, "y": 1, "text": "budget", "showarrow": False, "yanchor": "bottom"}
    return [shape], [note]
