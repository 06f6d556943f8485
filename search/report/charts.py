"""Draw the charts of a report: numbers in, plotly's traces and layout out. Times stay in seconds; axes scale them."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

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
    number,
)

Point = tuple[str, Mapping[str, float]]


def latency_chart(networks: Sequence[Point], budget_s: float | None) -> Chart:
    """Draw the median seconds of each network with its interval, and the budget as a line.

    Args:
        networks: Name and {`median`, `low`, `high`} of each, the unpruned network first.
        budget_s: Seconds; None where it is not known.
    """
    values = [spread["median"] for _, spread in networks]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": values,
        "y": [label(name) for name, _ in networks],
        "width": 0.55,
        "marker": {"color": [BASELINE, SUBNET][: len(networks)]},
        "error_x": error_bars([spread for _, spread in networks], "median"),
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


def windows_chart(windows: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw what each window measured for both networks."""
    traces = tuple(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": list(range(1, len(windows) + 1)),
            "y": [number(window.get(key)) for window in windows],
            "line": {"color": colour, "width": 1},
            "marker": {"color": colour, "size": 6},
            "hovertemplate": "window %{x}: %{y:.4s}s<extra></extra>",
        }
        for name, key, colour in (("unpruned", "baseline", BASELINE), ("subnet", "subnet", SUBNET))
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


def agreement_chart(names: Sequence[str], points: Sequence[Mapping[str, float]]) -> Chart:
    """Draw measured over predicted seconds; on the line they agree.

    Args:
        names: One for each point.
        points: {`predicted_s`, `measured_s`} and, where known, `low` and `high` of the measured seconds.
    """
    ends = [value for point in points for value in (point["predicted_s"], point["measured_s"])]
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
        "x": [point["predicted_s"] for point in points],
        "y": [point["measured_s"] for point in points],
        "error_y": error_bars(points, "measured_s"),
        "text": [label(name) for name in names],
        "marker": {"color": SUBNET, "size": 9},
        "hovertemplate": "%{text}<br>predicted %{x:.4s}s, measured %{y:.4s}s<extra></extra>",
    }
    layout = {
        "xaxis": {**SECONDS_AXIS, "title": {"text": "predicted"}},
        "yaxis": {**SECONDS_AXIS, "title": {"text": "measured"}},
    }
    return Chart("agreement", "Measured over predicted time", (line, dots), layout, 320)


def history_chart(trials: Sequence[Mapping[str, Any]], best: int | None) -> Chart:
    """Draw the objective of each trial, one colour for each origin, and the best so far as a line."""
    best_so_far: list[float] = []
    for trial in trials:
        best_so_far.append(min(trial["objective"], *best_so_far[-1:]) if best_so_far else trial["objective"])
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "x": [trial["number"] for trial in trials],
        "y": best_so_far,
        "line": {"color": BASELINE, "width": 1.5, "shape": "hv"},
        "hoverinfo": "skip",
    }
    layout = {
        "xaxis": {**AXIS, "title": {"text": "trial"}, "tickformat": "d"},
        "yaxis": {**AXIS, "title": {"text": "objective (lower is better)"}, **_scale(trials)},
    }
    return Chart("history", "Objective of each trial", (line, *_by_origin(trials, "number", best)), layout, 320)


def front_chart(trials: Sequence[Mapping[str, Any]], best: int | None, budget_s: float | None) -> Chart:
    """Draw the objective over the predicted seconds, the front as a line, and the budget."""
    edge = front(trials)
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [trial["predicted_s"] for trial in edge],
        "y": [trial["objective"] for trial in edge],
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


def front(trials: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the trials that no other beats in both time and objective, fastest first."""
    edge: list[Mapping[str, Any]] = []
    for trial in sorted(trials, key=lambda trial: (trial["predicted_s"], trial["objective"])):
        if not edge or trial["objective"] < edge[-1]["objective"]:
            edge.append(trial)
    return edge


def tuning_chart(epochs: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw the loss and, on an axis of its own where it was measured, the accuracy of each epoch."""
    scored = any(number(epoch.get("accuracy")) is not None for epoch in epochs)
    series = [("loss", "loss", "y", OTHERS[0])]
    if scored:
        series.append(("accuracy", "accuracy", "y2", SUBNET))
    traces = tuple(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": [epoch.get("epoch") for epoch in epochs],
            "y": [number(epoch.get(key)) for epoch in epochs],
            "yaxis": axis,
            "line": {"color": colour, "width": 2},
            "hovertemplate": f"epoch %{{x}}: {name} %{{y:.4g}}<extra></extra>",
        }
        for name, key, axis, colour in series
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


def _by_origin(trials: Sequence[Mapping[str, Any]], x: str, best: int | None) -> list[dict[str, Any]]:
    origins = list(dict.fromkeys(str(trial.get("origin") or "search") for trial in trials))
    traces = []
    for place, origin in enumerate(origins):
        own = [trial for trial in trials if str(trial.get("origin") or "search") == origin]
        traces.append(_dots(own, x, label(origin), {"color": OTHERS[place % len(OTHERS)], "size": 7, "opacity": 0.8}))
    chosen = [trial for trial in trials if best is not None and trial["number"] == best]
    if chosen:
        ring = {"color": SUBNET, "size": 13, "symbol": "circle-open", "line": {"width": 3}}
        traces.append(_dots(chosen, x, "chosen", ring))
    return traces


def _dots(trials: Sequence[Mapping[str, Any]], x: str, name: str, marker: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [trial[x] for trial in trials],
        "y": [trial["objective"] for trial in trials],
        "text": [f"trial {trial['number']}" for trial in trials],
        "marker": dict(marker),
        "hovertemplate": "%{text}: %{y:.4g}<extra></extra>",
    }


def _scale(trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Choose a logarithmic axis where the objectives span more than two decades."""
    values = [trial["objective"] for trial in trials]
    return {"type": "log", "dtick": 1} if min(values) > 0 and max(values) > 100 * min(values) else {}


def _budget_mark(budget_s: float | None, axis: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    if budget_s is None:
        return [], []
    place = {"xref": axis, "yref": "paper"}
    line = {"color": BUDGET, "width": 2, "dash": "dash"}
    shape = {"type": "line", **place, "x0": budget_s, "x1": budget_s, "y0": 0, "y1": 1, "line": line}
    note = {**place, "x": budget_s, "y": 1, "text": "budget", "showarrow": False, "yanchor": "bottom"}
    return [shape], [note]
