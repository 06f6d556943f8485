"""A task of the user's own: any object with the methods that a training and a score need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor

from ..errors import DataError
from ._base import Batch, Score, Task
from .soft import soft_divergence, soft_loss

REQUIRED = {
    "train_batches": "(epoch, seed) yields (inputs, targets) of the training data",
    "val_batches": "() yields (inputs, targets) of the held-out data",
    "calibration": "() returns inputs of training examples, always the same",
    "loss": "(outputs, targets) returns the mean loss of a batch",
    "metric": "(outputs, targets) returns (hits, trials)",
    "metric_name": "is a text",
}

OPTIONAL = {
    "distillation": "(student, teacher, temperature) returns a mean loss; softened class probabilities by default",
    "divergence": "(student, teacher) returns a number, 0 where equal; of class probabilities by default",
    "steps_per_epoch": "is the number of training batches; counted once by default",
}


class OwnTask(Task):
    """What a user's `make_task` returned, with defaults for what it leaves out.

    Args:
        task: The user's object; a `Task`, too, whose code is the user's.
        source: How the config names its function, for messages.
        calling: Turns what the user's code raises into an error that names their line.

    Raises:
        DataError: It lacks something; the message lists all that it lacks.
    """

    def __init__(
        self, task: Any, source: str, calling: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        with calling():
            absent = [name for name in REQUIRED if not hasattr(task, name)]
            odd = [
                name
                for name in (*REQUIRED, *OPTIONAL)
                if name not in ("metric_name", "steps_per_epoch")
                and hasattr(task, name)
                and not callable(getattr(task, name))
            ]
        if absent or odd:
            lacking = "; ".join(f"`{name}`{_join(name)}" for name in [*absent, *odd])
            verb = "lacks" if absent else "has something else than a method for"
            raise DataError(
                f"{source!r} must return a task, but the {type(task).__name__} that it returned {verb} {lacking}. Add "
                "it, or start from `search.tasks.Task`."
            )
        self._task = task
        self._source = source
        self._calling = calling
        self._steps: int | None = None

    @property
    def metric_name(self) -> str:
        """The user's name for it."""
        with self._calling():
            return str(self._task.metric_name)

    @property
    def assumed(self) -> tuple[str, ...]:
        """Those of `distillation` and `divergence` that the user's task leaves to the defaults."""
        return tuple(name for name in ("distillation", "divergence") if not hasattr(self._task, name))

    @property
    def steps_per_epoch(self) -> int:
        """The user's number, or a count of the first epoch."""
        with self._calling():
            given = getattr(self._task, "steps_per_epoch", None)
            if given is not None:
                return int(given() if callable(given) else given)
        if self._steps is None:
            self._steps = sum(1 for _ in self.train_batches(0, 0))
        return self._steps

    def train_batches(self, epoch: int, seed: int) -> Iterator[Batch]:
        """Yield the user's training batches."""
        return self._batches(lambda: self._task.train_batches(epoch, seed))

    def val_batches(self) -> Iterator[Batch]:
        """Yield the user's held-out batches."""
        return self._batches(self._task.val_batches)

    def calibration(self) -> Tensor:
        """Return the user's calibration inputs."""
        with self._calling():
            inputs: Tensor = self._task.calibration()
        return inputs

    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """Return the user's loss."""
        with self._calling():
            value: Tensor = self._task.loss(outputs, targets)
        return value

    def distillation(self, student: Any, teacher: Any, temperature: float) -> Tensor:
        """Return the user's distillation loss, or `soft_loss`."""
        with self._calling():
            value: Tensor = getattr(self._task, "distillation", soft_loss)(student, teacher, temperature)
        return value

    def divergence(self, student: Any, teacher: Any) -> float:
        """Return the user's divergence, or `soft_divergence`."""
        with self._calling():
            return float(getattr(self._task, "divergence", soft_divergence)(student, teacher))

    def metric(self, outputs: Any, targets: Any) -> Score:
        """Return the user's score."""
        with self._calling():
            score: Score = self._task.metric(outputs, targets)
        return score

    def _batches(self, begin: Callable[[], Iterable[Any]]) -> Iterator[Batch]:
        with self._calling():
            batches = iter(begin())
        while True:
            with self._calling():
                batch = next(batches, None)
            if batch is None:
                return
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                found = f"{len(batch)} parts" if isinstance(batch, tuple | list) else f"a {type(batch).__name__}"
                raise DataError(f"A batch is a pair (inputs, targets), but one of {self._source!r} is {found}.")
            yield batch[0], batch[1]


def _join(name: str) -> str:
    return {**REQUIRED, **OPTIONAL}[name] if name not in ("metric_name", "steps_per_epoch") else f" {REQUIRED[name]}"
