"""Do a run again with what is stored of it in place of everything that a machine or an hour could change.

Timings, scores of candidates and of units, and what training came to are read; the combing, the table's predictor, the
exact solutions, the study, the choice of finalists and the report are computed.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwprofiles import HardwareProfile, Measurement, NullRuntime, Runtime, Session, Target
from hwprofiles.runtimes.onnxruntime import OnnxRuntime
from search.bundle import Report
from search.config import RunConfig, load_model
from search.deploy import Verification
from search.engine import execute
from search.engine.context import Context
from search.engine.finish import Finished
from search.engine.loading import combed, example_of
from search.graph import Blueprint, Candidate
from search.importance import Scores, select
from search.surgery import cut

from .cases import FINISH, Case

Answer = dict[str, Any]


class Given:
    """What is stored of a case.

    Attributes:
        profile: The machine that it was recorded on.
        versions: Of its runtime.
        scores: Dim -> importance of each unit.
        objectives: Lines of the file of candidates' scores.
        table: The journal of timings; None where the runtime has a clock of its own.
    """

    def __init__(self, case: Case) -> None:
        stored = json.loads(read(case.stored / "given.json.xz"))
        self.profile = HardwareProfile.from_json(stored["profile"])
        self.versions: dict[str, str] = stored["versions"]
        self.scores: Scores = {name: np.array(values) for name, values in stored["scores"].items()}
        self.objectives: list[dict[str, Any]] = stored["objectives"]
        self.table = None if case.timed_here else read(case.stored / "table.jsonl.xz")


def read(path: Path) -> str:
    """Return the text of a compressed file."""
    return lzma.decompress(path.read_bytes()).decode()


class StoredTimings(OnnxRuntime):
    """Takes files and runs them, but never for a timing."""

    known: Mapping[str, str] = {}

    def versions(self) -> dict[str, str]:
        """Return the versions that the stored timings are of."""
        return dict(self.known)

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        """Load a file, to see what it computes."""
        session = super().load(artefact, target, rng)
        session.run = _never  # type: ignore[method-assign]
        return session


def _never(*_: object) -> None:
    raise AssertionError("A run from stored timings asked for one that is not stored.")


class NoTask:
    """Stands where a task would: all that it would be asked for is stored."""

    metric_name = "accuracy"
    steps_per_epoch = 20

    def __init__(self, config: RunConfig) -> None:
        self._shape = config.model.inputs[0][1]

    def calibration(self) -> torch.Tensor:
        """Return inputs that only the unpruned network sees."""
        return torch.zeros(2, *self._shape)

    def divergence(self, outputs: object, expected: object) -> float:
        """Fail: the score of every candidate is stored."""
        raise AssertionError("A run from stored scores asked for one that is not stored.")


def replay(case: Case, out: Path, patch: pytest.MonkeyPatch) -> Answer:
    """Return the answer of a case, computed in a new folder."""
    config, given = case.config(out), Given(case)
    _put(out, given)
    runtime: Runtime = NullRuntime() if case.timed_here else StoredTimings()
    patch.setattr(StoredTimings, "known", given.versions)
    patch.setattr("search.bench.bench.probe", lambda: given.profile)
    patch.setattr("search.bench.bench._check_target", lambda *_: None)
    patch.setattr("search.engine.stages.analysed", lambda config, _: (combed_of(config), NoTask(config)))
    patch.setattr("search.engine.stages.score", lambda _: given.scores)
    patch.setattr("search.engine.stages.finish", finished)
    outcome = execute(config, runtime=runtime)
    return answer_of(outcome.report, out)


def _put(out: Path, given: Given) -> None:
    out.mkdir(parents=True)
    if given.table is not None:
        (out / "table.jsonl").write_text(given.table, encoding="utf-8")
    lines = [json.dumps(line) + "\n" for line in given.objectives]
    (out / "objectives.jsonl").write_text("".join(lines), encoding="utf-8")


def combed_of(config: RunConfig) -> Blueprint:
    """Return the combed network of a config."""
    return combed(config, load_model(config, config.run.seed), example_of(config))


def finished(context: Context, candidate: Candidate) -> Finished:
    """Return what tuning, scoring and timing an answer came to, whatever the answer is: that is stored."""
    stored, folder = json.loads(read(FINISH)), context.folder
    selection = select(context.blueprint, candidate, context.scores)
    subnet = cut(context.blueprint, selection)
    for place in (".", f"candidates/{candidate.digest}"):
        for name in ("baseline.onnx", "baseline_graph.json", "baseline.safetensors"):
            folder.write(f"{place}/{name}", b"stored")
        for name in ("model.onnx", "graph.json", "model.safetensors"):
            folder.write(f"{place}/{name}", b"stored")
    measurement = Measurement.from_json(stored["measurement"])
    hashes = dict.fromkeys(("baseline", "subnet"), "stored")
    return Finished(
        subnet,
        selection,
        stored["history"],
        Verification(context.config.budget.latency, measurement, hashes),
        stored["accuracy"],
        360,
        {"baseline": 0, "subnet": sum(parameter.numel() for parameter in subnet.parameters())},
        {"baseline": 2, "subnet": 1},
        hashes,
        stored["export_difference"],
        stored["proofs"],
    )


FACTS = (
    "verdict",
    "budget",
    "budget_s",
    "latency_s",
    "ratio",
    "predicted_s",
    "accuracy",
    "parameters",
    "target",
    "dims",
    "blocks",
    "frozen",
    "unknown_operators",
    "table",
    "search",
    "finetune",
    "predicted_vs_measured",
    "infeasible",
    "warnings",
    "proofs",
)
"""Keys of a report whose values are compared; the others say when and where it was made."""


def answer_of(report: Report, out: Path) -> Answer:
    """Return what of a run must stay the same: the facts of its report, and how each round came to its finalist."""
    rounds = sorted(out.glob("starts-*.json"))
    written = report.to_json()
    return {
        "report": {key: written[key] for key in FACTS},
        "starts": [json.loads(path.read_text(encoding="utf-8")) for path in rounds],
        "trials": [_trials(path) for path in sorted(out.glob("study-*.log"))],
    }


def _trials(journal: Path) -> list[str]:
    """Return the dims and blocks of each trial's candidate, in order, as one short text."""
    found = []
    for line in journal.read_text(encoding="utf-8").splitlines():
        attrs = json.loads(line).get("user_attr", {})
        if "candidate" in attrs:
            found.append(Candidate.from_json(attrs["candidate"]).digest)
    return found
