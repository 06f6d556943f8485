"""A network, a task and a training small enough for tests; run as a program it trains and kills itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from search.config import FinetuneSettings
from search.finetune import Duration, FitResult, FitStep, fit
from search.tasks import ClassificationTask, ImageExamples, Images, Task

SETTINGS = FinetuneSettings(lr=0.01)


def tiny_task(count: int = 40) -> Task:
    """Return three classes that differ in colour, in batches of 8."""
    rng = np.random.default_rng(0)
    labels = torch.arange(count) % 3
    pixels = torch.from_numpy(rng.integers(0, 120, (count, 3, 8, 8), dtype=np.uint8))
    pixels[torch.arange(count), labels] += 100
    images = Images(pixels, labels, "tiny", [str(index) for index in range(count)])
    examples = ImageExamples(images, (0.4,), (0.2,), 8, augmented=True)
    return ClassificationTask(examples, examples, calibration=8)


def tiny_net(seed: int = 0, width: int = 6) -> nn.Module:
    """Return a network with everything that has a state of its own: norm statistics and dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, width, 3),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(width * 36, 3),
        )


def train(
    checkpoint: Path | None, progress: Callable[[FitStep], None] | None = None, **changes: Any
) -> tuple[nn.Module, FitResult]:
    """Train a student of a fixed teacher for three epochs."""
    model = tiny_net()
    arguments: dict[str, Any] = {"epochs": 3, "teacher": tiny_net(9), "settings": SETTINGS, "seed": 5, **changes}
    duration = Duration(epochs=arguments.pop("epochs"))
    return model, fit(model, tiny_task(), duration, checkpoint=checkpoint, progress=progress, **arguments)


class Batches(Task):
    """A least-squares task on the batches that it is given."""

    def __init__(self, *batches: tuple[Tensor, Tensor]) -> None:
        self._batches = batches

    metric_name = "none"

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self._batches))

    def train_batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self._batches)

    def val_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self._batches)

    def calibration(self) -> Tensor:
        return self._batches[0][0]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    def distillation(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        return self.loss(student, teacher)

    def divergence(self, student: Tensor, teacher: Tensor) -> float:
        return float(self.loss(student, teacher))

    def metric(self, outputs: Any, targets: Any) -> tuple[int, int]:
        return 0, 1


def die_after(step: int) -> Callable[[FitStep], None]:
    """Return a progress function that kills this process, as power loss would, after a step."""

    def progress(done: FitStep) -> None:
        if done.step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return progress


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), die_after(int(sys.argv[2])))
