"""Verdicts: their exit status, and what each is told with, as text and as one JSON object."""

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Answer, Lathe
from .project import write_config

KEYS = {"verdict", "budget_s", "latency_s", "ratio", "predicted_s", "accuracy", "parameters", "wall_s", "bundle"}
SEVERAL = {"targets", "limits"}
OF_A_TARGET = ("verdict", "budget_s", "latency_s", "ratio", "predicted_s")


def _object(answer: Answer) -> dict[str, Any]:
    """Return the only thing on standard output."""
    assert answer.out.count("\n") == 1
    found = json.loads(answer.out)
    assert isinstance(found, dict)
    return found


def _files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_json_answer_of_a_run(lathe: Lathe, project: Path) -> None:
    answer = lathe("run", project / "net.toml", "--json")
    found = _object(answer)
    assert answer.status == 0
    assert found.keys() >= KEYS
    assert found["verdict"] == "met"
    for name in ("baseline", "subnet"):
        assert found["latency_s"][name].keys() == {"median", "low", "high"}
        assert 0 <= found["accuracy"][name] <= 1
    assert found["ratio"].keys() == {"median", "low", "high"}
    assert found["ratio"]["high"] <= 0.6
    assert found["predicted_s"].keys() >= {"estimate", "low", "high"}
    assert found["predicted_s"]["estimate"] == pytest.approx(found["latency_s"]["subnet"]["median"], rel=0.1)
    assert found["latency_s"]["subnet"]["high"] <= found["budget_s"]
    assert found["budget_s"] == pytest.approx(0.6 * found["latency_s"]["baseline"]["median"])
    assert found["parameters"]["subnet"] < found["parameters"]["baseline"] == 150084
    assert found["wall_s"] > 0
    assert (Path(found["bundle"]) / "model.onnx").exists()
    assert "Fine-tune" in answer.err
    (target,), (limit,) = found["targets"], found["limits"]
    assert target == {"target": "cpu-null-fp32-b1-t1", "host": None, **{key: found[key] for key in OF_A_TARGET}}
    medians = {name: found["latency_s"][name]["median"] for name in ("baseline", "subnet")}
    assert limit == {"name": "latency", "most": found["budget_s"], **medians, "verdict": "met"}


def test_text_answer_of_a_run(lathe: Lathe, finished: Path) -> None:
    answer = lathe("run", finished / "net.toml")
    assert answer.status == 0
    for word in ("met", "latency", "accuracy", "parameters", "paired ratio", "budget 60 %"):
        assert word in answer.out
    assert f"report: {finished / 'run/bundle/report.html'}" in answer.out


def test_finished_run_is_not_repeated(lathe: Lathe, finished: Path) -> None:
    before = _files(finished / "run")
    found = _object(lathe("run", finished / "net.toml", "--json"))
    report = json.loads((finished / "run/bundle/report.json").read_text())
    promised = (KEYS | SEVERAL) - {"bundle"}
    assert {key: found[key] for key in promised} == {key: report[key] for key in promised}
    assert _files(finished / "run") == before


def test_a_run_that_an_older_version_ended_is_read(lathe: Lathe, finished: Path) -> None:
    path = finished / "run/bundle/report.json"
    new = json.loads(path.read_text())
    old = {key: value for key, value in new.items() if key not in SEVERAL} | {"format": 1}
    pages = {name: (path.parent / name).read_bytes() for name in ("report.html", "report.md")}
    path.write_text(json.dumps(old))
    found = _object(lathe("run", finished / "net.toml", "--json"))
    assert {key: found[key] for key in SEVERAL} == {key: new[key] for key in SEVERAL}
    assert _object(lathe("report", finished / "run", "--json")) == new
    assert pages == {name: (path.parent / name).read_bytes() for name in pages}
    assert _object(lathe("verify", finished / "run", "--json"))["verdict"] == "met"
    assert json.loads(path.read_text()) == old


@pytest.mark.parametrize("damage", [{"format": 3}, {"targets": []}, {"verdict": "missed"}, {"wall_s": "long"}])
def test_a_run_whose_report_is_damaged_says_what_to_do(lathe: Lathe, finished: Path, damage: dict[str, Any]) -> None:
    path = finished / "run/bundle/report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    answer = lathe("run", finished / "net.toml", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "must hold a report as a run writes it" in answer.words
    assert "delete it to go on" in answer.words


def test_moved_run_knows_its_place(lathe: Lathe, finished: Path) -> None:
    (finished / "run").rename(finished / "moved")
    config = write_config(finished, ('out = "run"', 'out = "moved"'))
    assert _object(lathe("run", config, "--json"))["bundle"] == str(finished / "moved/bundle")


@pytest.mark.parametrize("budget", ["100 %", "1 s"])
def test_unneeded(lathe: Lathe, project: Path, budget: str) -> None:
    config = write_config(project, ("60 %", budget))
    plan = lathe("run", config, "--dry-run", "--json")
    assert (plan.status, _object(plan)["verdict"]) == (0, "unneeded")
    answer = lathe("run", config, "--json")
    found = _object(answer)
    assert (answer.status, found["verdict"]) == (0, "unneeded")
    assert found.keys() >= KEYS
    assert found["latency_s"]["subnet"] is None
    assert "Fine-tune" not in answer.err
    text = lathe("run", config)
    assert text.status == 0
    assert "The unpruned network is already inside the budget" in text.out
    assert (project / "run/bundle/report.html").exists()


@pytest.mark.parametrize("budget", ["1 %", "1 us"])
def test_infeasible(lathe: Lathe, project: Path, budget: str) -> None:
    config = write_config(project, ("60 %", budget))
    plan = lathe("run", config, "--dry-run", "--json")
    assert (plan.status, _object(plan)["verdict"]) == (1, "infeasible")
    answer = lathe("run", config, "--json")
    found = _object(answer)
    assert (answer.status, found["verdict"]) == (1, "infeasible")
    assert found.keys() >= KEYS
    least = found["infeasible"]
    assert found["budget_s"] < least["least_latency_s"] < found["latency_s"]["baseline"]["median"]
    assert least["holds_up"]
    assert all(part["what"] and part["seconds"] >= 0 for part in least["holds_up"])
    for stage in ("Search", "Fine-tune"):
        assert stage not in answer.err
    text = lathe("run", config)
    assert text.status == 1
    for word in ("infeasible", "least reachable latency: ", "held up by: ", "nearest budget that can be met: "):
        assert word in text.out
    assert (project / "run/bundle/report.html").exists()


def test_nearest_budget_is_met(lathe: Lathe, project: Path) -> None:
    found = _object(lathe("run", write_config(project, ("60 %", "1 %")), "--json"))
    nearest = found["infeasible"]["nearest_budget"]
    again = write_config(project, ("60 %", nearest), ('out = "run"', 'out = "again"'))
    assert _object(lathe("run", again, "--json"))["verdict"] == "met"


def test_dry_run_writes_nothing(lathe: Lathe, project: Path, finished: Path) -> None:
    answer = lathe("run", project / "net.toml", "--dry-run", "--json")
    assert answer.status == 0
    found = _object(answer)
    assert found["verdict"] is None
    assert found["least_latency_s"]["median"] < found["budget_s"] < found["baseline_s"]["median"]
    assert found["table_networks"] == found["trials"] == 6
    assert not (project / "run").exists()
    before = _files(finished / "run")
    text = lathe("run", finished / "net.toml", "--dry-run")
    assert text.status == 0
    assert "least in reach" in text.out
    assert _files(finished / "run") == before


def test_failure_that_was_not_foreseen(lathe: Lathe, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("one of ours")

    monkeypatch.setattr("search.engine.loading.comb", fail)
    answer = lathe("run", project / "net.toml", "--json")
    assert (answer.status, answer.out) == (3, "")
    assert "ZeroDivisionError: one of ours" in answer.err
    assert "error: this failure was not foreseen" in answer.err


def test_interrupt(lathe: Lathe, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("search.engine.finish.fit", stop)
        answer = lathe("run", project / "net.toml", "--json")
    assert (answer.status, answer.out) == (130, "")
    assert "The same command goes on from here" in answer.words
    assert lathe("run", project / "net.toml").status == 0


def test_why_a_measurement_was_unsteady_stands_beside_the_verdict(lathe: Lathe, finished: Path) -> None:
    path = finished / "run/bundle/report.json"
    report = json.loads(path.read_text())
    for part in (report, *report["targets"], *report["limits"]):
        part["verdict"] = "unstable"
    report["measurements"]["verify"]["judgement"] = ["The hypervisor gave 50 % of the time to others."]
    path.write_text(json.dumps(report))
    answer = lathe("report", finished / "run/bundle")
    assert "too unsteady to tell: The hypervisor gave 50 % of the time to others." in answer.out


def test_a_budget_that_needs_nothing_is_answered_before_any_sweep(lathe: Lathe, project: Path) -> None:
    config = write_config(project, ('"60 %"', '"100 %"'))
    plan = lathe("run", config, "--dry-run")
    assert plan.status == 0
    answer = lathe("run", config)
    assert (answer.status, "unneeded" in answer.out) == (0, True)
    for told in (plan, answer):
        assert "Sweep" not in told.err
        assert "likes" not in told.err
    kinds = [json.loads(line).get("kind") for line in (project / "run/table.jsonl").read_text().splitlines()]
    assert "stairs" not in kinds
