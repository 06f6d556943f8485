"""A whole run on a runtime that takes exported programs; its times are real, so only what must hold of any is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hwprofiles import Target, get_runtime, unavailable
from search import Bundle
from search.deploy import Verification
from search.engine import run

from .small import config_of


def digests(verification: Verification, bundle: Bundle) -> bool:
    networks = bundle.networks("exported_program")
    return dict(verification.hashes) == {name: one.digest("exported_program") for name, one in networks.items()}


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["torch", "aotinductor"])
def test_a_run_on_programs_delivers_what_it_timed(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(runtime)
    if (reason := unavailable(target)) is not None:
        pytest.skip(reason)
    monkeypatch.setenv("LATHE_CACHE", str(tmp_path / "cache"))
    config = replace(config_of(tmp_path / "run", budget="80 %", proofs=True), targets=(target,))
    outcome = run(config)
    report, bundle = outcome.report.to_json(), Bundle.open(outcome.bundle)
    assert report["target"] == target.slug
    # A tiny network's time hardly follows its widths, and the machine may be too unsteady to tell.
    assert report["verdict"] in ("met", "missed", "infeasible", "unstable")
    assert report["latency_s"]["baseline"]["median"] > 0
    if not report["hashes"]:
        pytest.skip(f"no network was delivered on this machine: the run ended {report['verdict']!r}")
    assert report["export_difference"] <= 1e-4
    assert report["proofs"]["export"]["passed"], "the bundle's ONNX file is proven too"
    assert json.loads((outcome.bundle / "structure.json").read_text())["hashes"] == report["hashes"]
    again = bundle.verify()
    assert dict(again.hashes) == report["hashes"]
    assert digests(again, bundle)
    onnx = bundle.verify(Target("onnxruntime"))
    assert dict(onnx.hashes) != report["hashes"]
    assert get_runtime("onnxruntime").versions().items() <= onnx.measurement.versions.items()
