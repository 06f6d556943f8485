"""The example of a user's own task runs from its config to a report."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from hwprofiles import Target
from search import load_config, run
from search.config import FinetuneConfig, RunConfig, SearchConfig, load_model
from search.finetune import evaluate_module
from search.tasks import OwnTask, load_task

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_task"


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Read the config from a copy of the example, so that no test writes into it."""
    for path in EXAMPLE.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return load_config(tmp_path / "net.toml")


def test_the_task_brings_data_loss_and_metric(config: RunConfig) -> None:
    task = load_task(config)
    assert isinstance(task, OwnTask)
    assert task.metric_name == "top-2 accuracy"
    assert task.steps_per_epoch == sum(1 for _ in task.train_batches(0, 0)) == 22
    assert sum(len(labels) for _, labels in task.val_batches()) == 360
    first, again = (next(task.train_batches(1, 2)) for _ in range(2))
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    assert evaluate_module(load_model(config), task) > 0.97


def test_a_run_on_the_null_runtime_ends_with_a_verdict(config: RunConfig) -> None:
    quick = dataclasses.replace(
        config,
        targets=(Target("null"),),
        search=SearchConfig(trials=3, table_networks=4),
        finetune=FinetuneConfig(epochs=0.2),
    )
    report = run(quick).report.to_json()
    assert report["verdict"] == "met"
    assert report["accuracy"]["name"] == "top-2 accuracy"
    assert report["accuracy"]["subnet"] > 0.9
    assert (config.run.out / "bundle" / "model.onnx").is_file()
