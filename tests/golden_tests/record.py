"""Record a case anew: `python -m tests.golden_tests.record NAME [FOLDER of a finished run]`.

The folder's timings and scores become the stored ones; without a folder they stay, and only the answer is recorded.
To be called where an answer is meant to change, and then the commit says why.
"""

from __future__ import annotations

import json
import lzma
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.importance import score

from .cases import CASES, FINISH, Case
from .replay import combed_of, replay

WINDOWS = 40
"""Windows of a timing that are kept: enough for an interval."""


def main(name: str, folder: str | None = None) -> None:
    """Record one case."""
    case = next(case for case in CASES if case.name == name)
    case.stored.mkdir(parents=True, exist_ok=True)
    if folder is not None:
        _store(case, Path(folder))
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        answer = replay(case, Path(place) / "run", patch)
    (case.stored / "answer.json").write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")


def _store(case: Case, folder: Path) -> None:
    """Take over what a run was given."""
    config = case.config(folder)
    if case.name == "demo":
        config = replace(config, model=replace(config.model, weights="trained-0.safetensors", folder=folder))
    report = json.loads((folder / "bundle" / "report.json").read_text(encoding="utf-8"))
    given = {
        "profile": report["hardware"],
        "versions": report["versions"],
        "scores": {dim: values.tolist() for dim, values in score(combed_of(config)).items()},
        "objectives": [json.loads(line) for path in folder.glob("objectives.jsonl") for line in path.open()],
    }
    _write(case.stored / "given.json.xz", json.dumps(given))
    if not case.timed_here:
        _write(case.stored / "table.jsonl.xz", (folder / "table.jsonl").read_text(encoding="utf-8"))
    if case.name == "demo":
        _write(FINISH, json.dumps(_finish(folder)))


def _finish(folder: Path) -> dict[str, Any]:
    (place,) = (folder / "candidates").iterdir()
    stored = {name: json.loads((place / f"{name}.json").read_text()) for name in ("finetune", "accuracy", "verify")}
    measurement = stored["verify"]["measurement"]
    whole = len(measurement["starts_s"])
    for name in ("windows", "runs_s"):
        measurement[name] = {who: one[: len(one) * WINDOWS // whole] for who, one in measurement[name].items()}
    measurement["starts_s"] = measurement["starts_s"][:WINDOWS]
    return {
        "measurement": measurement,
        "history": stored["finetune"]["history"],
        **stored["accuracy"],
        "proofs": json.loads((place / "proofs.json").read_text()),
    }


def _write(path: Path, text: str) -> None:
    path.write_bytes(lzma.compress(text.encode()))


if __name__ == "__main__":
    main(*sys.argv[1:])
