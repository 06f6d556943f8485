"""Whole runs on the null runtime: every answer is known, so every number of the report can be held against it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwprofiles import NullRuntime, Quantity, Target
from search import Bundle, Candidate, Selection, load_subnet
from search.config import RunSettings
from search.engine import run
from search.errors import ProofError, RunFolderError
from search.surgery import Proof

from .small import config_of, journal

CONTRACT = {"verdict", "budget_s", "latency_s", "ratio", "predicted_s", "accuracy", "parameters", "wall_s"}
CLOCKED = {"date", "wall_s", "measurements", "finetune"}
"""Keys of a report in which something may differ from run to run: times, dates, places."""


def report_of(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "bundle" / "report.json").read_text())
    return loaded


def structure_of(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "bundle" / "structure.json").read_text())
    return loaded


def lawful(path: Path) -> float:
    """Return what the null runtime's law says of a file: the seconds of one run."""
    return sum(NullRuntime().law.seconds(path.read_bytes()).values())


def test_a_run_ends_met_with_everything_that_was_promised(finished: Path) -> None:
    report = report_of(finished)
    assert report.keys() >= CONTRACT
    assert report["verdict"] == "met"
    assert set(report["accuracy"]) >= {"baseline", "subnet"}
    assert report["parameters"]["subnet"] < report["parameters"]["baseline"]
    assert report["predicted_s"].keys() >= {"estimate", "low", "high"}
    named = {"structure.json", "graph.json", "model.safetensors", "model.onnx", "baseline.onnx", "report.json"}
    named |= {"baseline_graph.json", "baseline.safetensors"}
    assert {path.name for path in (finished / "bundle").iterdir()} == {*named, "report.html", "report.md"}
    assert "met" in (finished / "bundle" / "report.html").read_text()


def test_what_was_delivered_is_proven(finished: Path) -> None:
    proofs = report_of(finished)["proofs"]
    assert list(proofs) == ["original", "permutation", "silenced", "trains", "export", "reload"]
    assert all(proof["passed"] for proof in proofs.values()), proofs
    assert all(proof["max_abs_diff"] <= proof["tolerance"] for proof in proofs.values())
    assert "Proofs of the cut" in (finished / "bundle" / "report.html").read_text()


def test_proofs_of_the_cut_can_be_switched_off(out: Path) -> None:
    assert list(run(config_of(out)).report.proofs or ()) == ["permutation"]


def test_a_failed_proof_leaves_no_bundle(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Proof("silenced", 0.5, 1.0, 1e-9)
    monkeypatch.setattr("search.deploy.proving.silenced", lambda *_: wrong)
    with pytest.raises(
        ProofError, match=r"`silenced` failed: outputs differ by 0\.5, where at most 1e-09 passes"
    ) as caught:
        run(config_of(out, proofs=True))
    assert caught.value.exit_code == 3
    assert not (out / "bundle").exists()


def test_the_seconds_are_those_of_the_law(finished: Path) -> None:
    report = report_of(finished)
    seconds = {name: lawful(finished / "bundle" / f"{file}.onnx") for name, file in
               (("baseline", "baseline"), ("subnet", "model"))}  # fmt: skip
    for name, value in seconds.items():
        assert report["latency_s"][name]["median"] == pytest.approx(value, rel=1e-6)
    ratio = seconds["subnet"] / seconds["baseline"]
    assert report["ratio"]["median"] == pytest.approx(ratio, rel=1e-6)
    assert report["ratio"]["high"] <= report["budget"]["value"] == 0.6
    assert report["predicted_s"]["estimate"] == pytest.approx(seconds["subnet"], rel=0.05)
    assert report["budget_s"] == pytest.approx(0.6 * seconds["baseline"], rel=1e-6)


def test_no_trial_is_over_its_target(finished: Path) -> None:
    search = report_of(finished)["search"]
    assert len(search["trials"]) == 6
    assert search["target_s"] < report_of(finished)["budget_s"]
    assert all(trial["predicted_s"] <= search["target_s"] for trial in search["trials"])
    assert search["trials"][search["best"]]["objective"] == min(t["objective"] for t in search["trials"])


def test_the_bundle_holds_one_network_in_all_its_forms(finished: Path) -> None:
    bundle, structure, report = finished / "bundle", structure_of(finished), report_of(finished)
    candidate = Candidate.from_json(structure["candidate"])
    assert Selection.from_json(structure["selection"]).candidate == candidate
    assert {row["name"]: row["subnet"] for row in report["dims"] if row["subnet"]} == dict(candidate.dims)
    assert {row["name"]: row["choice"] for row in report["blocks"]} == dict(candidate.blocks)
    for name, file in (("baseline", "baseline.onnx"), ("subnet", "model.onnx")):
        digest = hashlib.sha256((bundle / file).read_bytes()).hexdigest()
        assert digest == report["hashes"][name] == structure["hashes"][name]
        assert (bundle / file).stat().st_size == report["file_bytes"][name]
    subnet, x = load_subnet(bundle), torch.randn(1, 1, 32, 32)
    with NullRuntime().load(bundle / "model.onnx", Target("null"), np.random.default_rng(0)) as session:
        (got,) = session.outputs({"input": x.numpy()}).values()
    with torch.no_grad():
        assert np.allclose(got, subnet(x).numpy(), rtol=1e-4, atol=1e-5)
    assert report["parameters"]["subnet"] == sum(p.numel() for p in subnet.parameters())


def test_the_baseline_is_the_users_network_as_it_was(finished: Path) -> None:
    from .small import make_small

    x = torch.randn(1, 1, 32, 32)
    with NullRuntime().load(finished / "bundle" / "baseline.onnx", Target("null"), np.random.default_rng(0)) as session:
        (got,) = session.outputs({"input": x.numpy()}).values()
    with torch.no_grad():
        assert np.allclose(got, make_small().eval()(x).numpy(), rtol=1e-4, atol=1e-5)


def test_accuracy_is_a_count_of_the_held_out_digits(finished: Path) -> None:
    for value in (report_of(finished)["accuracy"][name] for name in ("baseline", "subnet")):
        assert 0 <= value <= 1
        assert value * 48 == pytest.approx(round(value * 48), abs=1e-9)


def test_the_same_seed_gives_the_same_answer(finished: Path, tmp_path: Path) -> None:
    run(config_of(tmp_path / "again", proofs=True))
    assert structure_of(tmp_path / "again") == structure_of(finished)
    first, second = report_of(finished), report_of(tmp_path / "again")
    assert first.keys() == second.keys()
    for key in first.keys() - CLOCKED:
        assert second[key] == first[key], key
    assert second["finetune"]["history"] == first["finetune"]["history"]
    windows = [report["measurements"]["verify"]["windows"] for report in (first, second)]
    assert windows[0] == windows[1]
    files = ("model.onnx", "baseline.onnx", "model.safetensors", "graph.json")
    for name in files:
        assert (tmp_path / "again" / "bundle" / name).read_bytes() == (finished / "bundle" / name).read_bytes(), name


def test_a_complete_run_is_not_done_again(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / "bundle" / "report.html").unlink()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    outcome = run(config_of(out))
    assert not outcome.fresh
    assert outcome.report.verdict == "met"
    assert {path: path.read_bytes() for path in before} == before
    assert (out / "bundle" / "report.html").exists(), "a page that a kill took away is written"


def test_from_one_stored_table_nothing_is_timed_again(finished: Path, out: Path) -> None:
    shutil.copy(finished / "table.jsonl", out / "table.jsonl")
    run(config_of(out))
    assert (out / "table.jsonl").read_bytes() == (finished / "table.jsonl").read_bytes()
    assert structure_of(out) == structure_of(finished)
    assert {row["origin"] for row in journal(out)} == {"baseline", "level", "finalist"}


def test_a_run_goes_on_in_its_own_folder_only(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    with pytest.raises(RunFolderError, match="seed"):
        run(replace(config_of(out), run=RunSettings(seed=5, out=out)))


def test_a_bundle_is_verified_again(finished: Path) -> None:
    again = Bundle.open(finished).verify(runtime=NullRuntime(noise=0.01, drift=0.05, seed=3))
    assert again.verdict == "met"
    assert again.judged is not None
    assert again.judged.median == pytest.approx(report_of(finished)["ratio"]["median"], rel=0.01)
    tight = Quantity(report_of(finished)["ratio"]["median"] * 0.9, "fraction")
    assert Bundle.open(finished).verify(against=tight).verdict == "missed"
