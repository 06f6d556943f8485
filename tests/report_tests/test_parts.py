"""The words, tables and charts that a report is made of."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.offline import get_plotlyjs

from search.bundle import Trial
from search.pages import label
from search.pages.section import Table
from search.pages.wording import NOT_MEASURED, change, fact, percent, ratio_interval, seconds, seconds_interval
from search.report import render_markdown, render_page
from search.report.charts import front, history_chart, widths_chart
from search.report.evidence import proofs_section
from search.report.outcome import headline, judgement
from search.report.shape import widths_section

from .samples import VERDICTS, sample, told

figures = st.floats(0.001, 1.0)
trials = st.lists(st.builds(Trial, number=st.just(0), predicted_s=figures, objective=figures), max_size=20)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "fast", True])
def test_what_is_no_number_is_not_measured(value: object) -> None:
    assert {seconds(value), percent(value), change(value)} == {NOT_MEASURED}


def test_an_interval_without_ends_is_a_number() -> None:
    assert ratio_interval({"median": 0.5, "low": None, "high": None}) == "50.0 %"
    assert seconds_interval({"median": 0.002}) == seconds(0.002)
    assert seconds_interval(None) == NOT_MEASURED


def test_facts_are_told_as_they_are() -> None:
    assert fact({"cores": 4, "gpu": None, "smt": False}) == "cores: 4; gpu: not recorded; smt: no"
    assert fact(["avx2", "fma"]) == "avx2, fma"


@pytest.mark.parametrize(("high", "side"), [(0.5, "inside"), (0.501, "over")])
def test_the_upper_end_decides(high: float, side: str) -> None:
    report = told("met", ratio={"median": 0.47, "low": 0.46, "high": high})
    assert f"the upper end of the interval is {side} the budget of 50.0 %" in judgement(report)


def test_a_budget_in_seconds_is_judged_by_seconds() -> None:
    report = told("met", budget={"text": "1 ms", "kind": "time", "value": 0.001}, budget_s=0.001)
    assert judgement(report).startswith("The subnet took 870 us [854, 886]; the upper end")


def test_an_unsteady_machine_is_no_judgement() -> None:
    assert "two groups" in judgement(told("unstable"))
    assert "upper end" not in judgement(told("unstable"))


def test_without_a_subnet_the_headline_is_the_unpruned_network() -> None:
    assert [figure[2] for figure in headline(told("unneeded"))] == ["unpruned"] * 3
    assert len(headline(told("met"))) == 4


@given(trials)
def test_nothing_beats_the_front(points: list[Trial]) -> None:
    edge = [(trial.predicted_s or 0.0, trial.objective or 0.0) for trial in front(points)]
    for trial in points:
        assert any(a[0] <= (trial.predicted_s or 0.0) and a[1] <= (trial.objective or 0.0) for a in edge)
    assert edge == sorted(edge)
    assert all(a[1] > b[1] for a, b in pairwise(edge))


def test_the_best_so_far_never_rises() -> None:
    points = [Trial(n, objective=value) for n, value in enumerate((3.0, 5.0, 2.0, 4.0))]
    assert history_chart(points, None).data[0]["y"] == [3.0, 3.0, 2.0, 2.0]


def test_objectives_of_many_sizes_get_a_logarithmic_axis() -> None:
    wide = [Trial(n, objective=10.0**n) for n in range(4)]
    assert history_chart(wide, None).layout["yaxis"]["type"] == "log"
    assert "type" not in history_chart(wide[:2], None).layout["yaxis"]


def test_a_label_is_short_and_harmless() -> None:
    assert label("<b>x</b>") == "&lt;b&gt;x&lt;/b&gt;"
    assert len(label("stages.0.blocks.12.attention.projection.weight:0")) == 28


def test_long_names_that_shorten_alike_keep_their_bars() -> None:
    names = [f"{'a' * 20}{middle}{'b' * 20}" for middle in "xyz"]
    chart = widths_chart(names, [3.0, 2.0, 1.0], [1.0, 1.0, None])
    assert chart.data[0]["y"] == [0, 1, 2]
    assert len(set(chart.layout["yaxis"]["ticktext"])) == 1


def test_bars_of_a_large_network_stay_on_a_page() -> None:
    names = [str(number) for number in range(400)]
    assert widths_chart(names, [8.0] * 400, [4.0] * 400).height < 2600


def test_a_dim_that_is_gone_is_removed_not_zero() -> None:
    section = widths_section(told("met"))
    assert section is not None
    assert [row[3:] for row in section.tables[0].rows if row[0].startswith("stages.2.2")] == [("removed", "-100 %")] * 2


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="must have 2 words"):
        Table("caption", ("a", "b"), (("only",),))


def test_the_page_holds_the_whole_of_plotly() -> None:
    assert render_page(told("met")).count(get_plotlyjs()) == 1


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_short_text_says_the_same(verdict: str) -> None:
    text = render_markdown(told(verdict))
    assert text.startswith("# ")
    assert sample(verdict)["budget"]["text"] in text
    assert "    lathe verify runs/digits" in text
    assert len(text.splitlines()) < 110


def test_a_name_cannot_break_a_table_of_the_short_text() -> None:
    text = render_markdown(told("met", target="a | b\n# c <img>"))
    row = next(line for line in text.splitlines() if line.startswith("| target"))
    assert row == r"| target | a \| b \# c \<img\> |"
    assert len(re.findall("^# ", text, re.MULTILINE)) == 1


def test_each_proof_is_told_with_what_it_leaves_out() -> None:
    proofs = {
        "permutation": {"max_abs_diff": 1.2e-16, "tolerance": 3e-10, "passed": True, "exact": True, "note": ""},
        "silenced": {"max_abs_diff": None, "tolerance": 0.0, "passed": None, "exact": False, "note": "units change"},
        "export": {"max_abs_diff": 0.5, "tolerance": 1e-4, "passed": False, "exact": True, "note": ""},
    }
    section = proofs_section(told("met", proofs=proofs))
    assert section is not None
    assert section.tables[0].rows == (
        ("permutation", "passed", "1.2e-16", "3e-10", ""),
        ("silenced", "not applicable", "", "", "units change"),
        ("export", "failed", "0.5", "0.0001", ""),
    )
    for render in (render_markdown, render_page):
        assert "not applicable" in render(told("met", proofs=proofs))
    assert proofs_section(told("met")) is None, "reports from before there were proofs are read too"
