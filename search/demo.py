"""The demo: train a small residual network on handwritten digits, then halve its latency.

The network mixes dense residual blocks with depthwise ones, so that widths and blocks both have something to give.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from hwprofiles import Quantity, Target

from .config import (
    BudgetConfig,
    FinetuneConfig,
    FinetuneSettings,
    ModelConfig,
    RunConfig,
    RunSettings,
    SearchConfig,
    TaskConfig,
)
from .engine import Outcome, run, stage_seconds
from .finetune import Duration, fit
from .folder import Folder
from .progress import Progress
from .tasks import load_task

TRAINING_EPOCHS = 8.0


class Dense(nn.Module):
    """A residual block of two 3x3 convolutions; the first of a stage has a path that halves the resolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.down: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.down(x))


class Depthwise(nn.Module):
    """An inverted residual block: widen, filter each channel alone, narrow."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        hidden = width * expansion
        self.widen = nn.Conv2d(width, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.filter = nn.Conv2d(hidden, hidden, 3, 1, 1, groups=hidden, bias=False)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.narrow = nn.Conv2d(hidden, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, width, h, w) to the same shape."""
        y = torch.relu(self.bn1(self.widen(x)))
        y = torch.relu(self.bn2(self.filter(y)))
        out: Tensor = x + self.bn3(self.narrow(y))
        return out


class DigitNet(nn.Module):
    """Three stages on 16x16, 8x8 and 4x4 positions, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.stage1 = nn.Sequential(Dense(32, 32, 1), Depthwise(32, 3))
        self.stage2 = nn.Sequential(Dense(32, 64, 2), Dense(64, 64, 1), Depthwise(64, 3))
        self.stage3 = nn.Sequential(Dense(64, 128, 2), Depthwise(128, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n, 1, 32, 32) to scores (n, 10)."""
        y = self.stage3(self.stage2(self.stage1(self.stem(x))))
        out: Tensor = self.head(torch.flatten(self.pool(y), 1))
        return out


def make_net() -> DigitNet:
    """Return the demo's network, untrained."""
    return DigitNet()


def demo_config(out: Path, seed: int) -> RunConfig:
    """Return what the demo runs: digits, CPU, ONNX Runtime, one thread, half of the latency."""
    return RunConfig(
        model=ModelConfig("search.demo:make_net", (("input", (1, 32, 32)),), weights=_weights(seed), folder=out),
        task=TaskConfig("digits", augment=False),
        targets=(Target("onnxruntime"),),
        budget=BudgetConfig(Quantity(0.5, "fraction")),
        search=SearchConfig(trials=40, table_networks=48),
        finetune=FinetuneConfig(epochs=8.0, batch_size=64, settings=FinetuneSettings(lr=2e-3)),
        run=RunSettings(seed=seed, out=out),
    )


def _weights(seed: int) -> str:
    """Return the file of the network that was trained with a seed: each seed has its own."""
    return f"trained-{seed}.safetensors"


def run_demo(out: Path, seed: int, progress: Progress) -> Outcome:
    """Train the demo's network unless that was done, and run its config to the end, or go on where it was stopped.

    Raises:
        LatheError: What the user can act on; see `search.errors`.
    """
    config = demo_config(out, seed)
    return run(config, progress=progress, prepare=partial(train_baseline, config))


def train_baseline(config: RunConfig, progress: Progress, folder: Folder) -> None:
    """Train the demo's network, unless its weights are in the folder."""
    name = str(config.model.weights)
    if folder.file(name).exists():
        return
    progress.stage("train", "a small residual network on 1437 handwritten digits")
    began = time.monotonic()
    torch.manual_seed(config.run.seed)
    model = make_net()
    fit(
        model,
        load_task(config),
        Duration(epochs=TRAINING_EPOCHS),
        settings=FinetuneSettings(lr=3e-3, distillation=0.0),
        checkpoint=folder.file(f"{name}.ckpt"),
        seed=config.run.seed,
        progress=lambda step: progress.step(*step.told()),
    )
    folder.write(name, save({key: value.contiguous() for key, value in model.state_dict().items()}))
    stage_seconds(folder, {"train": time.monotonic() - began})
