"""What a task is: data, loss, comparison with a teacher, and a metric.

Everything that trains or scores a network talks to a `Task` and knows neither files nor classes. `Examples` is one side
of the data (training or held-out); a task is put together from two of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

Batch = tuple[Tensor, Any]
"""Inputs (n, ...) as the network takes them, and targets as the task's loss and metric take them."""

Score = tuple[npt.ArrayLike, npt.ArrayLike]
"""What a metric says of some examples: (hits, trials), two numbers, or two arrays with an entry for each class.

Scores add up; the metric of a set is the mean over the entries of summed hits / summed trials (see `total`).
"""


class Task(ABC):
    """Data, loss and metric.

    Implementations hold no state that a pass changes, so that a resumed run sees what an undisturbed one sees.
    """

    @property
    @abstractmethod
    def metric_name(self) -> str:
        """What the metric is called; higher is better, 1 is the best."""

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Number of batches of one pass over the training data."""

    @abstractmethod
    def train_batches(self, epoch: int, seed: int) -> Iterator[Batch]:
        """Yield the training batches of an epoch, shuffled; a pure function of `epoch` and `seed`."""

    @abstractmethod
    def val_batches(self) -> Iterator[Batch]:
        """Yield the held-out batches, in order, each example once."""

    @abstractmethod
    def calibration(self) -> Tensor:
        """Return inputs (n, ...) of training examples, always the same, not augmented."""

    @abstractmethod
    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """Return the mean loss of a batch."""

    @abstractmethod
    def distillation(self, student: Any, teacher: Any, temperature: float) -> Tensor:
        """Return the mean loss of a batch against the teacher's outputs."""

    @abstractmethod
    def divergence(self, student: Any, teacher: Any) -> float:
        """Return how far a network's outputs are from another's; 0 where they are equal, lower is better."""

    @property
    def assumed(self) -> tuple[str, ...]:
        """Names of the methods that are defaults which hold for class scores only; a task with its own has none."""
        return ()

    @abstractmethod
    def metric(self, outputs: Any, targets: Any) -> Score:
        """Score some examples. `outputs` are tensors, or arrays where they come from another runtime."""


class Examples(ABC):
    """Labelled examples from one source, in batches."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """Number of batches of one shuffled pass."""

    @property
    @abstractmethod
    def classes(self) -> int | None:
        """Number of classes that the source knows of, or None."""

    @abstractmethod
    def shuffled(self, epoch: int, seed: int) -> Iterator[Batch]:
        """Yield the batches of a training pass."""

    @abstractmethod
    def in_order(self) -> Iterator[Batch]:
        """Yield all examples in order, not augmented."""

    @abstractmethod
    def sample(self, count: int) -> Tensor:
        """Return the inputs of `count` examples (or of all, where there are fewer), always the same."""

    @abstractmethod
    def check_labels(self, classes: int) -> None:
        """Raise DataError where a label is known not to be below `classes`."""


def total(scores: Iterator[Score]) -> float:
    """Return the metric of a set from the scores of its parts.

    Entries without a trial (a class that does not occur) are left out.

    Raises:
        ValueError: There was no trial at all.
    """
    hits, trials = np.zeros(()), np.zeros(())
    for more_hits, more_trials in scores:
        hits = hits + np.asarray(more_hits, dtype=np.float64)
        trials = trials + np.asarray(more_trials, dtype=np.float64)
    seen = trials > 0
    if not seen.any():
        raise ValueError("A metric needs at least one example, but there was none.")
    return float(np.mean(hits[seen] / trials[seen]))
