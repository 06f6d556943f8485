"""The CIFAR-10 example: its configs, its network, and the weights that lie beside it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from search import comb, load_config, permutation
from search.config import load_model
from search.finetune import evaluate_module
from search.tasks import load_task

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "cifar10"
DATA = ("cifar10-train.parquet", "cifar10-test.parquet")
CONFIGS = ("subset.toml", "whole.toml")

WIDTHS = {
    "stem.0.weight:0": 16,
    "stage1.0.widen.weight:0": 64,
    "stage1.1.widen.weight:0": 64,
    "stage2.0.widen.weight:0": 96,
    "stage2.0.narrow.weight:0": 32,
    "stage2.1.widen.weight:0": 128,
    "stage2.2.widen.weight:0": 128,
    "stage3.0.widen.weight:0": 128,
    "stage3.0.narrow.weight:0": 48,
    "stage3.1.widen.weight:0": 192,
    "stage3.2.widen.weight:0": 192,
    "top.0.weight:0": 96,
}
BLOCKS = ["stage1.0", "stage1.1", "stage2.1", "stage2.2", "stage3.1", "stage3.2"]


def data_folder() -> Path | None:
    """Find the Parquet files, which are no part of the repository."""
    places = (EXAMPLE / "data", ROOT.parent / "shared" / "data")
    return next((place for place in places if all((place / name).is_file() for name in DATA)), None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the example, so that no test writes into it; without data, empty files stand in for them."""
    for path in EXAMPLE.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    (tmp_path / "data").mkdir()
    found = data_folder()
    for name in DATA:
        place = tmp_path / "data" / name
        if found is None:
            place.touch()
        else:
            place.symlink_to(found / name)
    return tmp_path


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_loads(folder: Path, name: str) -> None:
    config = load_config(folder / name)
    assert config.model.shape == (3, 32, 32)
    assert config.run.out == folder.resolve() / "runs" / Path(name).stem
    assert config.task.train == "data/cifar10-train.parquet"


def test_the_configs_describe_one_network(folder: Path) -> None:
    subset, whole = (load_config(folder / name) for name in CONFIGS)
    assert subset.model == whole.model
    assert subset.targets == whole.targets
    assert subset.budget == whole.budget
    assert dataclasses.replace(subset.task, train_limit=None, val_limit=None) == whole.task


def test_the_network_can_be_cut_where_it_is_meant_to_be(folder: Path) -> None:
    blueprint = comb(load_model(load_config(folder / "subset.toml")), torch.zeros(2, 3, 32, 32))
    assert {dim.name: dim.size for dim in blueprint.dims} == WIDTHS
    assert [block.name for block in blueprint.blocks] == BLOCKS
    assert not blueprint.unknown
    assert permutation(blueprint, np.random.default_rng(0)).passed


def test_the_weights_recognise_what_they_were_trained_on(folder: Path) -> None:
    if data_folder() is None:
        pytest.skip(f"the data are not there: put {' and '.join(DATA)} into examples/cifar10/data")
    config = load_config(folder / "subset.toml")
    # The training images are not needed: reading them would take most of the time.
    few = dataclasses.replace(config.task, train=config.task.val, train_limit=500, val_limit=500)
    small = dataclasses.replace(config, task=few)
    # It knows 77.7 % of all 10,000; 72 % is three standard errors of 500 images below that.
    assert evaluate_module(load_model(small), load_task(small)) > 0.72
