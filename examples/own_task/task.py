"""A task with its own loaders, loss and metric: two guesses at a handwritten digit.

`make_task` may return any object with these methods; nothing has to be inherited. `distillation` and `divergence` are
left out here, since the defaults suit a network that returns class scores (n, classes).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

BATCH_SIZE = 64
HELD_OUT = 360
MEAN, STD = 0.305, 0.376
SMOOTHING = 0.1
NOISE = 0.1


class TwoGuesses:
    """A digit counts as read when it is among the two highest scores.

    Args:
        images: Normalised, (n, 1, 16, 16), float32.
        labels: Digits, (n,), int64. The last `HELD_OUT` of both, which other people wrote, are held out.
    """

    metric_name = "top-2 accuracy"

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.train = images[:-HELD_OUT], labels[:-HELD_OUT]
        self.val = images[-HELD_OUT:], labels[-HELD_OUT:]
        self.steps_per_epoch = len(self.train[1]) // BATCH_SIZE

    def train_batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield shuffled batches with some noise; all chance comes from `seed` and `epoch`, so that a run repeats."""
        images, labels = self.train
        generator = torch.Generator().manual_seed(1000 * seed + epoch)
        order = torch.randperm(len(labels), generator=generator)
        for step in range(self.steps_per_epoch):
            picked = order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
            noise = NOISE * torch.randn(images[picked].shape, generator=generator)
            yield images[picked] + noise, labels[picked]

    def val_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the held-out images, in order, each once."""
        images, labels = self.val
        for start in range(0, len(labels), BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            yield images[part], labels[part]

    def calibration(self) -> Tensor:
        """Return training images, always the same."""
        return self.train[0][:256]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy with smoothed labels."""
        return functional.cross_entropy(outputs, targets, label_smoothing=SMOOTHING)

    def metric(self, outputs: Any, targets: Tensor) -> tuple[int, int]:
        """Return how many of how many digits are read; `outputs` are an array when they come from another runtime."""
        best_two = np.argsort(np.asarray(outputs), axis=1)[:, -2:]
        return int((best_two == np.asarray(targets)[:, None]).any(axis=1).sum()), len(targets)


def make_task() -> TwoGuesses:
    """Return the task on scikit-learn's digits, each pixel doubled."""
    pixels, digits = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).div(16).reshape(-1, 1, 8, 8)
    images = images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return TwoGuesses((images - MEAN) / STD, torch.tensor(digits, dtype=torch.int64))
