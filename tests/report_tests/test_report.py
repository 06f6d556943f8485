"""The report as a value: two formats are read, one is written, and nothing damaged is taken for a report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from search.bundle import LimitAnswer, Report, check_report
from search.bundle.report import OF_THE_FIRST

from .samples import VERDICTS, sample, told


def _holds(new: Any, old: Any) -> bool:
    """Tell whether a document has all that another has, and whatever else as null or nothing."""
    if isinstance(new, dict) and isinstance(old, dict):
        more = [new[key] for key in new.keys() - old.keys() - {"targets", "limits"}]
        return old.keys() <= new.keys() and all(map(_holds, map(new.get, old), old.values())) and not any(more)
    if isinstance(new, list) and isinstance(old, list):
        return len(new) == len(old) and all(map(_holds, new, old))
    return type(new) is type(old) and bool(new == old)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_key_of_format_1_keeps_its_name_and_meaning(verdict: str) -> None:
    old, new = sample(verdict), told(verdict).to_json()
    assert new.pop("format") == 2
    del old["format"]
    assert _holds(new, old)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_is_written_is_read(verdict: str) -> None:
    report = told(verdict)
    written = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert Report.from_json(written) == report
    assert Report.from_json(written).to_json() == written


def test_one_target_has_one_answer_and_one_limit() -> None:
    report = told("met")
    written = report.to_json()
    assert written["targets"] == [
        {"verdict": "met", "host": None, **{key: sample("met")[key] for key in OF_THE_FIRST}},
    ]
    assert written["limits"] == [
        {"name": "latency", "verdict": "met", "most": 0.00092, "baseline": 0.00184, "subnet": 0.00087}
    ]


def test_the_verdict_of_the_whole_is_the_worst() -> None:
    one = told("met")
    several = replace(one, targets=(one.first, replace(one.first, verdict="unstable", target="other", host="board")))
    assert several.verdict == several.to_json()["verdict"] == "unstable"
    limited = replace(several, limits=(*one.limits, LimitAnswer("parameters", "missed", 1e5, 412345, 151234)))
    assert limited.verdict == "missed"
    assert [limited.to_json()[key] for key in OF_THE_FIRST] == [sample("met")[key] for key in OF_THE_FIRST]
    assert Report.from_json(json.loads(json.dumps(limited.to_json()))) == limited


def test_what_is_missing_is_not_made_up() -> None:
    report = Report.from_json({"format": 1, "verdict": "missed"})
    written = report.to_json()
    held = {key: value for key, value in written.items() if value not in (None, [], {})}
    assert held == {
        "format": 2,
        "verdict": "missed",
        "latency_s": {"baseline": None, "subnet": None},
        "parameters": {"baseline": None, "subnet": None},
        "targets": [{**dict.fromkeys((*OF_THE_FIRST, "host")), "verdict": "missed", "latency_s": held["latency_s"]}],
        "limits": [{"name": "latency", "verdict": "missed", **dict.fromkeys(("most", "baseline", "subnet"))}],
    }


@pytest.mark.parametrize("version", [0, 3, "1", 1.0, True, None])
def test_another_format_is_refused(version: object) -> None:
    with pytest.raises(ValueError, match=r"must have `format` 1 or 2, but got .*; read it with the version of Lathe"):
        Report.from_json({"format": version, "verdict": "met"})


def test_an_unknown_verdict_is_refused() -> None:
    for document in ({"format": 1}, {"format": 2}):
        with pytest.raises(ValueError, match=r"must be one of unneeded, met, .* but got 'fine'"):
            Report.from_json({**document, "verdict": "fine"})


@pytest.mark.parametrize("document", [None, [], "report", 2])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="a report"):
        Report.from_json(document)


def _spoilt(change: dict[str, Any]) -> dict[str, Any]:
    return {**json.loads(json.dumps(told("met").to_json())), **change}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": []}, "one of `targets` or more"),
        ({"targets": None}, r"targets must be a list"),
        ({"targets": [{"target": "x"}]}, r"targets\[0\] must have 'verdict'"),
        ({"limits": [{"name": "latency", "verdict": "fine"}]}, r"limits\[0\]\.verdict must be one of infeasible, met"),
        ({"verdict": "missed"}, "`verdict` must be the worst of its parts', but is 'missed'"),
        ({"target": "cpu-null-fp32-b1-t1"}, "`target` must be that of its first target"),
        ({"budget_s": 0.5}, "`budget_s` must be that of its first target, but is 0.5"),
        ({"ratio": None}, "`ratio` must be that of its first target"),
        ({"wall_s": "long"}, "wall_s must be a finite number"),
        ({"dims": [{"name": "a", "baseline": 2.5}]}, r"dims\[0\]\.baseline must be a whole number"),
        (
            {"search": {"trials": [{"number": 0, "objective": "low"}]}},
            r"trials\[0\]\.objective must be a finite number",
        ),
        ({"proofs": {"export": {"passed": 1}}}, "passed must be true or false"),
    ],
)
def test_a_damaged_report_is_refused_and_says_where(change: dict[str, Any], words: str) -> None:
    assert Report.from_json(_spoilt({})) == told("met")
    with pytest.raises(ValueError, match=words):
        Report.from_json(_spoilt(change))


def test_what_a_bundle_is_not_used_without_is_checked_in_both_formats() -> None:
    for document in (sample("met"), told("met").to_json()):
        check_report(json.loads(json.dumps(document)))
        with pytest.raises(ValueError, match="a report must have 'budget_s'"):
            check_report({key: value for key, value in document.items() if key != "budget_s"})
