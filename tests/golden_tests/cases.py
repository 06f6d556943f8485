"""The runs whose answers are recorded, and where what they were given is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from hwprofiles import Quantity, Target
from search.config import (
    BudgetConfig,
    FinetuneConfig,
    ModelConfig,
    RunConfig,
    RunSettings,
    SearchConfig,
    TaskConfig,
)
from search.demo import demo_config
from tests.run_tests.small import config_of
from tests.twins.deit import DeiT

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
FINISH = HERE / "stored" / "finish.json.xz"
"""What all of them find when they train, score and time their answer."""

IMAGES = TaskConfig("classification", train="train.parquet", val="val.parquet", mean=(0.5,) * 3, std=(0.25,) * 3)
"""Stands where a config needs a task; no image is read."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        name: Of its folder in `stored`.
        config: Output folder -> what it is told.
    """

    name: str
    config: Callable[[Path], RunConfig]

    @property
    def stored(self) -> Path:
        """Folder of what the run is given and of its answer."""
        return HERE / "stored" / self.name

    @property
    def timed_here(self) -> bool:
        """Whether its runtime has a clock of its own, so that no timings are stored."""
        return self.config(Path()).target.runtime == "null"


def make_deit() -> DeiT:
    """Return a vision transformer of the structure of DeiT: four blocks of four heads of 16."""
    torch.manual_seed(3)
    return DeiT(embed=64, heads=((4, 16),) * 4, hidden=(256,) * 4, image=32, patch=4, classes=10)


def demo(out: Path) -> RunConfig:
    """The demo, without the weights that it trains: which units stay is said by stored scores."""
    config = demo_config(out, 0)
    return replace(config, model=replace(config.model, weights=None))


def cifar10(out: Path) -> RunConfig:
    """The example's run on a part of CIFAR-10."""
    return RunConfig(
        model=ModelConfig("net.py:make_net", (("input", (3, 32, 32)),), "net.safetensors", EXAMPLES / "cifar10"),
        task=IMAGES,
        targets=(Target("onnxruntime"),),
        budget=BudgetConfig(Quantity(0.6, "fraction")),
        search=SearchConfig(trials=40, table_networks=32),
        finetune=FinetuneConfig(epochs=6.0),
        run=RunSettings(out=out),
    )


def deit(out: Path) -> RunConfig:
    """A transformer with heads, their inside, perceptrons and removable halves of blocks."""
    return RunConfig(
        model=ModelConfig("tests.golden_tests.cases:make_deit", (("input", (3, 32, 32)),)),
        task=IMAGES,
        targets=(Target("onnxruntime"),),
        budget=BudgetConfig(Quantity(0.5, "fraction")),
        search=SearchConfig(trials=30, table_networks=24, calibration=64),
        finetune=FinetuneConfig(epochs=1.0),
        run=RunSettings(out=out),
    )


CASES = (
    Case("demo", demo),
    Case("cifar10", cifar10),
    Case("deit", deit),
    Case("null", lambda out: config_of(out, budget="50 %", trials=16)),
    Case("null-unneeded", lambda out: config_of(out, budget="100 %")),
    Case("null-infeasible", lambda out: config_of(out, budget="1 %")),
)
