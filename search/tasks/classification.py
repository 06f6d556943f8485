"""Image classification: cross-entropy, distilled class probabilities, accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..errors import DataError, ModelError
from ._base import Batch, Examples, Score, Task
from .soft import soft_divergence, soft_loss


class ClassificationTask(Task):
    """One class for each input.

    Args:
        train: Training examples.
        val: Held-out examples.
        calibration: Number of training examples that `calibration` returns.
        classes: Number of classes; None takes the names that the training examples have, or else the network's outputs.
    """

    def __init__(self, train: Examples, val: Examples, calibration: int, classes: int | None = None) -> None:
        self._train = train
        self._val = val
        self._calibration = calibration
        self._checked_classes: set[int] = set()
        known = classes if classes is not None else train.classes
        if known is not None:
            self._check_labels(known)

    @property
    def metric_name(self) -> str:
        """The share of examples whose highest score is their class's."""
        return "accuracy"

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches of one pass over the training data."""
        return self._train.steps

    def train_batches(self, epoch: int, seed: int) -> Iterator[Batch]:
        """Yield the training batches of an epoch."""
        return self._train.shuffled(epoch, seed)

    def val_batches(self) -> Iterator[Batch]:
        """Yield the held-out batches."""
        return self._val.in_order()

    def calibration(self) -> Tensor:
        """Return inputs (n, ...) of training examples, always the same."""
        return self._train.sample(self._calibration)

    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """Return the cross-entropy, mean over examples."""
        self._check(outputs, targets)
        # float32 also under autocast, as torch's own cross-entropy would be.
        return functional.cross_entropy(outputs.float(), targets.long())

    def distillation(self, student: Any, teacher: Any, temperature: float) -> Tensor:
        """Return `soft_loss`."""
        return soft_loss(student, teacher, temperature)

    def divergence(self, student: Any, teacher: Any) -> float:
        """Return `soft_divergence`."""
        return soft_divergence(student, teacher)

    def metric(self, outputs: Any, targets: Any) -> Score:
        """Return how many of how many examples are right; scores that are not numbers are wrong."""
        self._check(outputs, targets)
        scores, labels = np.asarray(_array(outputs)), np.asarray(_array(targets))
        right = (scores.argmax(axis=1) == labels) & np.isfinite(scores).all(axis=1)
        return int(right.sum()), len(labels)

    def _check(self, outputs: Any, targets: Any) -> None:
        shape = tuple(getattr(outputs, "shape", ()))
        if len(shape) != 2:
            found = list(shape) if shape else type(outputs).__name__
            raise ModelError(
                f"A classifier returns one tensor (n, classes), but this network returned {found}: return that tensor "
                'alone, or write an own task, kind = "task.py:make_task".'
            )
        if shape[1] not in self._checked_classes:
            self._check_labels(shape[1])
        labels = _array(targets)
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= shape[1]:
            raise DataError(
                f"Targets are one class index for each input, between 0 and {shape[1] - 1} for a network with "
                f"{shape[1]} outputs, but a batch has {labels.dtype} of shape {list(labels.shape)}, from "
                f"{labels.min()} to {labels.max()}: correct the labels or the network's number of classes."
            )

    def _check_labels(self, classes: int) -> None:
        self._train.check_labels(classes)
        self._val.check_labels(classes)
        self._checked_classes.add(classes)


def _array(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return np.asarray(value)
