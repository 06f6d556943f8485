"""What charts share: colours, axes, labels and the bars of intervals."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

# Readable on a light and on a dark page alike.
BASELINE = "#8593ab"
SUBNET = "#1f9d8a"
BUDGET = "#d9822b"
OTHERS = ("#5b7fd1", "#b565b0", "#c9a227", "#7a8f3c", "#cc5a5a")

_LABEL_LENGTH = 28
# More bars than this are drawn thin and without names; the table below the chart names them.
MOST_NAMED_BARS = 60
# Ticks without colour keep the names off the bars.
_GAP = {"ticks": "outside", "ticklen": 6, "tickcolor": "rgba(0,0,0,0)"}
AXIS: dict[str, Any] = {"automargin": True, "zeroline": False, **_GAP}
SECONDS_AXIS: dict[str, Any] = {**AXIS, "tickformat": "~s", "ticksuffix": "s", "nticks": 6}


def label(text: object) -> str:
    """Make any text safe for plotly, which reads tags in its texts, and short enough for an axis."""
    words = str(text)
    if len(words) > _LABEL_LENGTH:
        half = (_LABEL_LENGTH - 1) // 2
        words = f"{words[: half + 1]}…{words[-half:]}"
    return escape(words, quote=False)


def error_bars(spreads: Sequence[Mapping[str, float]], middle: str) -> dict[str, Any]:
    """Build error bars from the ends of intervals; none where an end is missing."""
    above = [max(0.0, spread.get("high", spread[middle]) - spread[middle]) for spread in spreads]
    below = [max(0.0, spread[middle] - spread.get("low", spread[middle])) for spread in spreads]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.5}
