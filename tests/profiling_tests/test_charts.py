"""What the page of a profile draws, from content that no command has to make."""

from __future__ import annotations

from typing import Any

import pytest

from hwprofiles import Interval, Target
from latency_tables import Header, LatencyTable, Stairs
from search.commands.profile.charts import agreement_chart, layers_chart, stairs_chart
from search.commands.profile.sections import _stairs
from search.commands.stairs import stairs_content

RATIOS = {8: Interval(0.5, 0.49, 0.51), 15: Interval(1.4, 1.3, 1.5), 16: Interval(1.0, 1.0, 1.0)}


def content() -> list[dict[str, Any]]:
    stairs = Stairs("conv2d", 16, RATIOS)
    header = Header(Target("null"), "a-machine", {"null": "1"}, "2026-11-25T00:00:00+00:00")
    return stairs_content(LatencyTable(header, None, (), {}, 0, (), {"conv2d": stairs}))


def test_stairs_show_every_width_with_its_interval_and_mark_the_edges() -> None:
    (stairs,) = content()
    line, marks = stairs_chart(0, stairs).data
    assert (line["x"], line["y"]) == ([8, 15, 16], [0.5, 1.4, 1.0])
    assert line["error_y"]["array"] == pytest.approx([0.01, 0.1, 0.0])
    assert line["error_y"]["arrayminus"] == pytest.approx([0.01, 0.1, 0.0])
    assert (marks["x"], marks["y"]) == ([8, 16], [0.5, 1.0])


def test_the_numbers_of_the_stairs_are_in_a_table_and_none_are_said_to_be_not_swept() -> None:
    section = _stairs({"stairs": content()})
    assert len(section.charts) == 1
    assert [row[0::2] for row in section.tables[0].rows] == [("8", "edge"), ("15", ""), ("16", "edge")]
    nothing = _stairs({"stairs": []})
    assert nothing.charts == ()
    assert nothing.lead[0].startswith("not swept")


def test_a_point_within_five_percent_lies_in_the_inner_band() -> None:
    row = {
        "job": "a-b",
        "origin": "level",
        "predicted_s": 1.0,
        "measured_s": 1.0,
        "low": 0.9,
        "high": 1.1,
        "error": 0.0,
    }
    outer, inner, dots = agreement_chart([row]).data
    assert (outer["name"], inner["name"]) == ("within 10 %", "within 5 %")
    # At a prediction of `x`, a measurement m is within 5 % where |x / m - 1| <= 0.05.
    x, upper, lower = inner["x"][1], inner["y"][1], inner["y"][2]
    assert x / upper - 1 == pytest.approx(-0.05)
    assert x / lower - 1 == pytest.approx(0.05)
    assert dots["x"] == [1.0]


def test_a_unit_of_unknown_time_has_no_bar() -> None:
    layers: list[dict[str, Any]] = [
        {"unit": "a<b>", "seconds": 1e-3, "origin": "measured"},
        {"unit": "c", "seconds": None, "origin": "unknown"},
        {"unit": "d", "seconds": 2e-3, "origin": "interpolated"},
    ]
    chart = layers_chart(layers)
    assert [(trace["name"], trace["x"], trace["y"]) for trace in chart.data] == [
        ("measured", [1e-3], [0]),
        ("interpolated", [2e-3], [2]),
    ]
    assert chart.data[0]["customdata"] == ["a&lt;b&gt;"]
