"""What pages are made of: sections, charts, words, and the frame around them."""

from .charts import AXIS, BASELINE, BUDGET, MOST_NAMED_BARS, OTHERS, SECONDS_AXIS, SUBNET, error_bars, label
from .frame import render
from .section import Chart, Section, Table
from .wording import (
    change,
    count,
    fact,
    number,
    part,
    percent,
    percent_within,
    plain,
    ratio_interval,
    seconds,
    seconds_interval,
    seconds_within,
)

__all__ = [
    "AXIS",
    "BASELINE",
    "BUDGET",
    "MOST_NAMED_BARS",
    "OTHERS",
    "SECONDS_AXIS",
    "SUBNET",
    "error_bars",
    "label",
    "render",
    "Chart",
    "Section",
    "Table",
    "change",
    "count",
    "fact",
    "number",
    "part",
    "percent",
    "percent_within",
    "plain",
    "ratio_interval",
    "seconds",
    "seconds_interval",
    "seconds_within",
]
