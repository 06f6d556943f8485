"""A run that is killed after any of its stages is gone on with by the same command; so is the demo."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hwprofiles import Target
from search import demo
from search.engine import Outcome, run
from search.progress import Progress, Silent

from .small import config_of

STAGES = ("analyse", "table", "sweep", "search", "finalist", "finetune", "export", "prove", "accuracy", "verify")


class Killed(Silent):
    """Kills its process when a stage begins that comes after so many others."""

    def __init__(self, after: int, log: Path) -> None:
        self.left, self.log = after, log

    def stage(self, name: str, detail: str = "") -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        with self.log.open("a") as file:
            file.write(f"{name}\n")


def run_small(out: Path, progress: Progress) -> Outcome:
    return run(config_of(out, proofs=True), progress=progress)


def run_small_demo(out: Path, progress: Progress) -> Outcome:
    """Run the demo with less of everything, on the null runtime."""
    whole = demo.demo_config

    def small(out: Path, seed: int) -> object:
        config, like = whole(out, seed), config_of(out)
        task = replace(config.task, train_limit=96, val_limit=48)
        return replace(config, task=task, targets=(Target("null"),), search=like.search, finetune=like.finetune)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "demo_config", small)
        patch.setattr(demo, "TRAINING_EPOCHS", 2.0)
        return demo.run_demo(out, 0, progress)


def child(command: Callable[[Path, Progress], Outcome], out: Path, after: int, log: Path) -> None:
    torch.set_num_threads(1)
    sys.exit(0 if command(out, Killed(after, log)).report.verdict == "met" else 1)


@pytest.mark.slow
@pytest.mark.parametrize("command", [run_small, run_small_demo], ids=["run", "demo"])
def test_a_kill_after_each_stage_in_turn_changes_nothing(
    command: Callable[[Path, Progress], Outcome], tmp_path: Path
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch.onnx._internal.exporter._core", "onnxscript", "sklearn.datasets"])
    out, statuses, after = tmp_path / "run", list[int | None](), 1
    log = tmp_path / "stages"
    while not statuses or statuses[-1] == -signal.SIGKILL:
        process = context.Process(target=child, args=(command, out, after, log))
        process.start()
        process.join()
        statuses.append(process.exitcode)
        after += 1
        assert after < 40
    assert statuses[-1] == 0
    seen = set(log.read_text().split())
    assert set(STAGES) <= seen, "every stage was begun"
    assert len(statuses) > len(STAGES)
    first = json.loads((out / "bundle/report.json").read_text())
    outcome = command(out, Silent())
    assert not outcome.fresh, "a finished run answers at once"
    assert outcome.report.to_json() == first
    calm = command(tmp_path / "calm", Silent()).report.to_json()
    for key in ("verdict", "accuracy", "parameters", "dims", "blocks"):
        assert first[key] == calm[key], key
    # Times are differences of readings of a clock, which began at another one here.
    assert first["ratio"] == pytest.approx(calm["ratio"], rel=1e-6)
    for key in ("estimate", "low", "high"):
        assert first["predicted_s"][key] == pytest.approx(calm["predicted_s"][key], rel=1e-6), key
    jobs = [json.loads(line).get("job") for line in (out / "table.jsonl").read_text().splitlines()[1:]]
    timed = [job for job in jobs if job]
    assert len(timed) == len(set(timed)), "nothing that was timed was timed again"


@pytest.mark.slow
def test_another_seed_of_the_demo_has_weights_of_its_own(tmp_path: Path) -> None:
    run_small_demo(tmp_path / "demo", Silent())
    assert demo.demo_config(tmp_path, 0).model.weights != demo.demo_config(tmp_path, 1).model.weights
