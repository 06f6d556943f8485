"""Draw the charts of a profile: numbers in, plotly's traces and layout out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ...pages import AXIS, BASELINE, BUDGET, MOST_NAMED_BARS, OTHERS, SECONDS_AXIS, SUBNET, Chart, error_bars, label

ORIGIN_COLOURS = {"measured": SUBNET, "interpolated": OTHERS[0], "extrapolated": BUDGET, "unknown": BASELINE}
"""Origin of a number -> its colour."""

_BANDS = ((0.10, "rgba(133, 147, 171, 0.16)"), (0.05, "rgba(133, 147, 171, 0.24)"))


def stairs_chart(place: int, stairs: Mapping[str, Any]) -> Chart:
    """Draw the ratio of one operator class over its width, with intervals, and mark the edges of its treads."""
    points, edges = stairs["points"], set(stairs["edges"])
    ratios = [point["ratio"] for point in points]
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "swept width",
        "x": [point["width"] for point in points],
        "y": [ratio["median"] for ratio in ratios],
        "error_y": error_bars(ratios, "median"),
        "line": {"color": BASELINE, "width": 1.2},
        "marker": {"color": BASELINE, "size": 5},
        "hovertemplate": "width %{x}: %{y:.1%}<extra></extra>",
    }
    marked = [point for point in points if point["width"] in edges]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": "edge of a tread",
        "x": [point["width"] for point in marked],
        "y": [point["ratio"]["median"] for point in marked],
        "marker": {"color": SUBNET, "size": 11, "symbol": "diamond-open", "line": {"width": 2}},
        "hovertemplate": "edge at width %{x}: %{y:.1%}<extra></extra>",
    }
    layout = {
        "xaxis": {**AXIS, "title": {"text": "width"}, "tickformat": "d"},
        "yaxis": {**AXIS, "title": {"text": "time, of the full width's"}, "tickformat": ".0%", "rangemode": "tozero"},
    }
    says = f"Time of {stairs['kind']} over its width"
    title = f"{stairs['kind']}, up to {stairs['size']}"
    return Chart(f"stairs-{place}", says, (line, marks), layout, 260, title)


def agreement_chart(predictions: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw measured over predicted seconds of networks that the prediction had not seen, with bands of 5 and 10 %."""
    ends = [row[key] for row in predictions for key in ("predicted_s", "low", "high")]
    span = [0.95 * min(ends), 1.05 * max(ends)]
    traces: list[dict[str, Any]] = [_band(span, width, colour) for width, colour in _BANDS]
    for origin in dict.fromkeys(row["origin"] for row in predictions):
        own = [row for row in predictions if row["origin"] == origin]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "networks" if origin == "level" else label(origin),
                "x": [row["predicted_s"] for row in own],
                "y": [row["measured_s"] for row in own],
                "error_y": error_bars(own, "measured_s"),
                "text": [f"{label(short(row['job']))}: predicted {100 * row['error']:+.1f} % off" for row in own],
                "marker": {"color": SUBNET if origin == "level" else OTHERS[0], "size": 7},
                "hovertemplate": "%{text}<br>predicted %{x:.4s}s, measured %{y:.4s}s<extra></extra>",
            }
        )
    layout = {
        "xaxis": {**SECONDS_AXIS, "title": {"text": "predicted"}, "range": span},
        "yaxis": {**SECONDS_AXIS, "title": {"text": "measured"}, "range": span},
    }
    return Chart("agreement", "Measured over predicted time", tuple(traces), layout, 440)


def _band(span: Sequence[float], width: float, colour: str) -> dict[str, Any]:
    """Return the area in which a prediction is within a fraction of what was measured."""
    low, high = span
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"within {width:.0%}".replace("%", " %"),
        "x": [low, high, high, low, low],
        "y": [low / (1 - width), high / (1 - width), high / (1 + width), low / (1 + width), low / (1 - width)],
        "fill": "toself",
        "fillcolor": colour,
        "line": {"width": 0, "color": colour},
        "hoverinfo": "skip",
    }


def layers_chart(layers: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw the seconds of each piece in the order in which they run, one colour for each origin of the number."""
    named = len(layers) <= MOST_NAMED_BARS
    rows = list(range(len(layers)))
    traces = []
    for origin, colour in ORIGIN_COLOURS.items():
        own = [row for row in rows if layers[row]["origin"] == origin and layers[row]["seconds"] is not None]
        if own:
            traces.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": origin,
                    "x": [layers[row]["seconds"] for row in own],
                    "y": own,
                    "customdata": [escape(f"{layers[row]['unit']}", quote=False) for row in own],
                    "marker": {"color": colour},
                    "hovertemplate": "%{customdata}: %{x:.3s}s<extra></extra>",
                }
            )
    names = [label(layer["unit"]) for layer in layers]
    ticks = {"tickvals": rows, "ticktext": names} if named else {"showticklabels": False}
    layout = {
        "barmode": "overlay",
        "showlegend": True,
        "xaxis": {**SECONDS_AXIS, "rangemode": "tozero", "title": {"text": "time in the unpruned network"}},
        "yaxis": {**AXIS, **ticks, "range": [len(layers) - 0.4, -0.6], "showgrid": False, "tickfont": {"size": 11}},
    }
    height = 120 + len(layers) * (20 if named else 6)
    return Chart("layers", "Time of each piece of the unpruned network", tuple(traces), layout, height)


def short(job: str) -> str:
    """Shorten a network's key: its first half is the unpruned network, the same in all rows."""
    return job.rpartition("-")[2][:12]
