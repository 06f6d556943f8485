"""The page says what the report holds, alone, and takes no name for markup."""

import copy
import json
import re
from typing import Any

import pytest

from search.bundle import Report
from search.report import render_page
from search.report.content import sections

from .samples import VERDICTS, Tags, sample, told

SCRIPT = "/* plotly */"
# Those of the report's keys that a machine names, not the format.
FREE_KEYS = ("cpu_model", "kernel", "onnxruntime")
HOSTILE = "</script><img src=https://example.org/x onerror=alert(1)><a href='javascript:alert(2)'>x</a>"


@pytest.fixture(autouse=True)
def _small_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the tests the megabytes of plotly's script."""
    monkeypatch.setattr("search.pages.frame.get_plotlyjs", lambda: SCRIPT)


def _hostile(value: Any, key: str = "") -> Any:
    """Return the value with every text replaced, but for those that have a fixed meaning."""
    if isinstance(value, dict):
        return {
            name if name not in FREE_KEYS else f"{name}{HOSTILE}": _hostile(inner, name)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_hostile(inner) for inner in value]
    return HOSTILE if isinstance(value, str) and key not in ("verdict", "kind") else value


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        ("met", "Met"),
        ("unneeded", "Not needed"),
        ("missed", "Missed"),
        ("infeasible", "Out of reach"),
        ("unstable", "No answer"),
    ],
)
def test_every_verdict_is_told_in_words(verdict: str, word: str) -> None:
    tags = Tags(render_page(told(verdict)))
    assert tags.words.lstrip().startswith(word)
    assert sample(verdict)["budget"]["text"] in tags.words
    assert sample(verdict)["warnings"][0] in tags.words


def test_the_figures_of_the_answer_are_there() -> None:
    words = Tags(render_page(told("met"))).words
    for figure in ("1.84 ms [1.80, 1.88]", "870 us [854, 886]", "47.3 % [46.7, 47.9]", "97.78 %", "151,234", "-63.3 %"):
        assert figure in words


@pytest.mark.parametrize("verdict", VERDICTS)
def test_nothing_is_fetched(verdict: str) -> None:
    tags = Tags(render_page(told(verdict)))
    fetched = ("src", "href", "action", "srcset", "data", "poster", "background", "formaction")
    places = [attributes[name] or "" for _, attributes in tags.elements for name in fetched if name in attributes]
    assert [place for place in places if not place.startswith("#")] == []
    assert tags.count("link") == tags.count("iframe") == 0
    rule = next(found for _, found in tags.elements if found.get("http-equiv") == "Content-Security-Policy")
    assert str(rule["content"]).startswith("default-src 'none';")


def test_the_style_fetches_nothing() -> None:
    style = re.search(r"<style>(.*?)</style>", render_page(told("met")), re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_script_is_embedded_once() -> None:
    assert render_page(told("met")).count(SCRIPT) == 1


def test_a_page_without_charts_carries_no_script() -> None:
    assert Tags(render_page(Report.from_json({"format": 1, "verdict": "missed"}))).count("script") == 0


def test_no_chart_offers_to_be_uploaded() -> None:
    report = told("met")
    drawn = render_page(report)
    charts = sum(len(section.charts) for section in sections(report))
    assert charts == 7
    assert drawn.count("Plotly.newPlot(") == charts
    assert drawn.count('"showSendToCloud": false') == charts
    assert drawn.count('"displaylogo": false') == charts
    assert drawn.count('"responsive": true') == charts


@pytest.mark.parametrize("verdict", VERDICTS)
def test_names_are_never_markup(verdict: str) -> None:
    calm, hostile = Tags(render_page(told(verdict))), Tags(render_page(Report.from_json(_hostile(sample(verdict)))))
    assert "</script><img" in hostile.words
    assert hostile.count("script") == calm.count("script")
    assert hostile.count("img") == 0
    assert [found for _, found in hostile.elements if any(name.startswith("on") for name in found)] == []
    assert [found for tag, found in hostile.elements if tag == "a" and not str(found["href"]).startswith("#")] == []


def test_names_are_no_markup_inside_charts() -> None:
    """Plotly reads tags in its texts, so they must reach it escaped."""
    for section in sections(Report.from_json(_hostile(sample("met")))):
        for chart in section.charts:
            assert "<img" not in json.dumps(list(chart.data)) + json.dumps(chart.layout)


def test_what_is_missing_is_not_zero() -> None:
    for verdict in VERDICTS:
        words = Tags(render_page(Report.from_json({"format": 1, "verdict": verdict}))).words
        assert "not measured" in words
        assert not re.search(r"(?<![\d.])0(\.0+)? (%|s|ms|us)\b", words)


@pytest.mark.parametrize("key", [key for key in sample("met") if key not in ("format", "verdict")])
def test_any_part_may_be_missing(key: str) -> None:
    report = sample("met")
    report[key] = None
    assert Tags(render_page(Report.from_json(report))).count("h1") == 1
    del report[key]
    assert Tags(render_page(Report.from_json(report))).count("h1") == 1


def test_a_failed_trial_has_no_objective() -> None:
    words = re.sub(r"\s+", " ", Tags(render_page(told("met"))).words)
    assert re.search(r"17tpe\d+ usnot measured", words)
    assert "59 of 60 trials have an objective" in words


def test_rendering_changes_nothing_and_repeats() -> None:
    report = told("met")
    before = copy.deepcopy(report)
    assert render_page(report) == render_page(report)
    assert report == before
