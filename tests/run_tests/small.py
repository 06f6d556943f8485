"""A run that takes seconds: a small residual network, a few digits, the null runtime's fake clock."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwprofiles import Quantity, Target
from search.config import (
    BudgetConfig,
    FinetuneConfig,
    FinetuneSettings,
    ModelConfig,
    RunConfig,
    RunSettings,
    SearchConfig,
    TaskConfig,
)
from search.engine import run
from tests.networks import Basic, Inverted

SHAPE = (1, 32, 32)


class Small(nn.Module):
    """One block of each kind, and a stage that halves the resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, 4, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(Basic(16, 16, 1), Inverted(16, 16, 2, 1), Basic(16, 32, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))
        return out


def make_small() -> Small:
    torch.manual_seed(11)
    return Small()


def config_of(
    out: Path,
    *,
    budget: str | Quantity = "60 %",
    seed: int = 0,
    trials: int = 6,
    networks: int = 10,
    proofs: bool = False,
) -> RunConfig:
    """Return a run of a few seconds; `budget` as a quantity, or its text in percent. Proofs would cost some more."""
    share = budget if isinstance(budget, Quantity) else Quantity(float(budget.removesuffix("%")) / 100, "fraction")
    return RunConfig(
        model=ModelConfig("tests.run_tests.small:make_small", (("input", SHAPE),)),
        task=TaskConfig("digits", train_limit=96, val_limit=48, augment=False),
        targets=(Target("null"),),
        budget=BudgetConfig(share),
        search=SearchConfig(trials=trials, calibration=32, table_networks=networks),
        finetune=FinetuneConfig(epochs=3.0, batch_size=32, settings=FinetuneSettings(lr=2e-3, ema=0.8)),
        run=RunSettings(seed=seed, out=out, proofs=proofs),
    )


def journal(out: Path) -> list[dict[str, Any]]:
    """Return the networks of a run's table, every line whole, without the header and the sweeps."""
    lines = [json.loads(line) for line in (out / "table.jsonl").read_text().splitlines()[1:]]
    return [line for line in lines if line["kind"] != "stairs"]


def main(out: str) -> None:
    """Do the run in a folder, or go on with it; say when the imports are done and the work begins."""
    torch.set_num_threads(1)
    sys.stdout.write("begin\n")
    sys.stdout.flush()
    sys.stdout.write(f"{run(config_of(Path(out))).report.verdict}\n")


if __name__ == "__main__":
    main(sys.argv[1])
