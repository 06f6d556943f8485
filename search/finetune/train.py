"""Train a network: a baseline on its labels, or a cut network with its teacher.

Everything that a step depends on is in the checkpoint or is a pure function of (seed, epoch), so a training that was
killed and is started again ends, bit for bit, where an undisturbed one ends (with a length in epochs, on one machine
with one number of threads).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hwprofiles import excerpt

from ..config import FinetuneSettings
from ..errors import DataError, RunFolderError, TrainingError
from ..tasks import Task, seeded
from .average import WeightAverage, copy_state, restore_state, state_of
from .checkpoint import digest, read_checkpoint, write_checkpoint
from .distil import training_loss
from .optimizers import OPTIMIZERS
from .result import EpochRecord, FitResult, FitStep
from .schedule import Duration, Length, learning_rate


def fit(
    model: nn.Module,
    task: Task,
    duration: Duration,
    *,
    teacher: nn.Module | None = None,
    settings: FinetuneSettings | None = None,
    checkpoint: Path | None = None,
    seed: int = 0,
    progress: Callable[[FitStep], None] | None = None,
) -> FitResult:
    """Train a network in place; it is left in eval mode, with the averaged weights where `settings.ema` is above 0.

    Args:
        model: Trained in place, on the device that its parameters are on.
        task: Data and loss.
        duration: How long, in passes over the data or in time.
        teacher: Gives soft targets; put into eval mode meanwhile, otherwise not touched.
        settings: Defaults to `FinetuneSettings()`.
        checkpoint: Written after each epoch. Where it exists, the training goes on from it; a finished one returns at
            once. `model` must then be as it was at the first start.
        seed: Seeds the order and augmentation of examples, and dropout.
        progress: Called after each step.

    Raises:
        TrainingError: A loss or gradient was not finite. The network is back at the end of the last good epoch.
        RunFolderError: The checkpoint is damaged or belongs to another training.
        ValueError: Nothing is trainable, the length is not one, or the teacher shares memory with the network.
    """
    settings = settings or FinetuneSettings()
    _check(model, teacher)
    length = Length.of(duration.epochs, duration.minutes, task.steps_per_epoch)
    plan = {
        "length": dataclasses.asdict(length),
        "seed": seed,
        "settings": dataclasses.asdict(settings),
        "start": digest(state_of(model)),
        "teacher": None if teacher is None else digest(state_of(teacher)),
    }
    run = _Training(model, task, teacher, settings, length, seed, progress, duration.clock)
    with _as_wanted(model, teacher, settings):
        stored = read_checkpoint(checkpoint, plan) if checkpoint is not None else None
        if stored is not None:
            _load(run, stored, checkpoint)
        while not run.finished:
            run.epoch()
            if checkpoint is not None:
                write_checkpoint(checkpoint, {"plan": plan, **run.content()})
        restore_state(model, run.good)
    return run.result()


def _load(run: _Training, stored: dict[str, Any], checkpoint: Path | None) -> None:
    try:
        run.load(stored)
    # What its tensors and numbers are made of is only seen when they are put to use, which may fail in any way.
    except Exception as exc:
        raise RunFolderError(
            f"The checkpoint {checkpoint} is damaged ({type(exc).__name__}: {excerpt(exc)}): delete it to start over."
        ) from exc


class _Training:
    """The state of a training between two epochs."""

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        teacher: nn.Module | None,
        settings: FinetuneSettings,
        length: Length,
        seed: int,
        progress: Callable[[FitStep], None] | None,
        clock: Callable[[], float],
    ) -> None:
        self._model = model
        self._task = task
        self._teacher = teacher
        self._settings = settings
        self._length = length
        self._seed = seed
        self._progress = progress
        self._clock = clock
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._device = self._parameters[0].device
        self._optimizer = _optimizer(self._parameters, settings)
        self._average = WeightAverage(model, settings.ema) if settings.ema else None
        self._history: list[EpochRecord] = []
        self._step = 0
        self._seconds = 0.0
        self._resumed = 0
        self.good = copy_state(model)
        """What is handed back if the training ends here."""

    @property
    def finished(self) -> bool:
        """Whether the length is reached."""
        return self._length.progress(self._step, self._seconds) >= 1

    def result(self) -> FitResult:
        """Return what was done so far."""
        return FitResult(tuple(self._history), self._step, self._seconds, self._resumed)

    def epoch(self) -> None:
        """Do the next epoch, or what of it the length allows."""
        number, losses, rate = len(self._history), [], 0.0
        self._model.train()
        started = self._clock()
        with seeded(self._seed, number):
            for inputs, targets in self._task.train_batches(number, self._seed):
                rate = learning_rate(
                    self._settings.lr, self._length.progress(self._step, self._seconds), self._settings.warmup
                )
                losses.append(self._one_step(inputs, targets, rate, number))
                now = self._clock()
                self._seconds, started = self._seconds + now - started, now
                self._report(number, losses[-1], rate)
                if self.finished:
                    break
        if not losses:
            raise DataError(f"An epoch has at least one batch, but epoch {number} of the training data gave none.")
        self._model.eval()
        self._history.append(EpochRecord(number, len(losses), math.fsum(losses) / len(losses), rate))
        self.good = copy_state(self._model) if self._average is None else _copied(self._average.state())

    def _one_step(self, inputs: Tensor, targets: Any, rate: float, epoch: int) -> float:
        inputs, targets = inputs.to(self._device), _moved(targets, self._device)
        if self._settings.channels_last and inputs.ndim == 4:
            inputs = inputs.to(memory_format=torch.channels_last)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._settings.autocast):
            loss = training_loss(self._task, self._model(inputs), targets, self._taught(inputs), self._settings)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._parameters, self._settings.clip or math.inf)
        value = loss.item()
        if not (math.isfinite(value) and math.isfinite(norm.item())):
            self._stop(value, norm.item(), rate, epoch)
        self._optimizer.step()
        if self._average is not None:
            self._average.update(self._model, self._step)
        self._step += 1
        return value

    def _taught(self, inputs: Tensor) -> Any | None:
        if self._teacher is None or self._settings.distillation == 0:
            return None
        with torch.no_grad():
            return self._teacher(inputs)

    def _stop(self, loss: float, norm: float, rate: float, epoch: int) -> None:
        restore_state(self._model, self.good)
        self._model.eval()
        after = f"the end of epoch {epoch - 1}" if epoch else "the start"
        raise TrainingError(
            f"Loss and gradient must stay finite, but in epoch {epoch}, step {self._step}, the loss is {loss:g} and "
            f"the gradient's norm {norm:g}; the network is back at {after}. Lower `lr` (now {self._settings.lr:g}, "
            f"{rate:g} in this step), set `clip` (now {self._settings.clip:g}), or look for values that are not "
            "numbers in the data.",
            self.good,
            self.result(),
        )

    def _report(self, epoch: int, loss: float, rate: float) -> None:
        if self._progress is not None:
            done = min(1.0, self._length.progress(self._step, self._seconds))
            self._progress(FitStep(epoch, self._step, done, loss, rate, self._length.steps))

    def content(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {
            "model": state_of(self._model),
            "average": None if self._average is None else self._average.state(),
            "optimizer": self._optimizer.state_dict(),
            "step": self._step,
            "seconds": self._seconds,
            "history": [dataclasses.asdict(record) for record in self._history],
        }

    def load(self, content: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        restore_state(self._model, content["model"])
        self._optimizer.load_state_dict(content["optimizer"])
        if self._average is not None:
            self._average.load(content["average"])
        self._step, self._seconds = content["step"], content["seconds"]
        self._history = [EpochRecord(**record) for record in content["history"]]
        self._resumed = len(self._history)
        self.good = copy_state(self._model) if self._average is None else _copied(self._average.state())


def _check(model: nn.Module, teacher: nn.Module | None) -> None:
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("A training needs a parameter that requires a gradient, but the network has none.")
    if teacher is None:
        return
    own = {value.data_ptr() for value in state_of(model).values() if value.numel()}
    shared = [name for name, value in state_of(teacher).items() if value.numel() and value.data_ptr() in own]
    if shared:
        raise ValueError(
            f"The teacher must not change while the network is trained, but they share {len(shared)} tensors, such as "
            f"{shared[0]!r}: cut or copy the network first."
        )


def _optimizer(parameters: list[nn.Parameter], settings: FinetuneSettings) -> torch.optim.Optimizer:
    """Decay weights only: pulling norms and biases to zero does not regularise, it shifts activations."""
    groups = [
        {
            "params": [parameter for parameter in parameters if parameter.ndim > 1],
            "weight_decay": settings.weight_decay,
        },
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    filled = [group for group in groups if group["params"]]
    return OPTIMIZERS[settings.optimizer].make(filled, settings.lr)


@contextmanager
def _as_wanted(model: nn.Module, teacher: nn.Module | None, settings: FinetuneSettings) -> Iterator[None]:
    """Put modes and memory layout as the training wants them, and back; the trained network ends in eval mode."""
    teacher_was_training = teacher is not None and teacher.training
    if teacher is not None:
        teacher.eval()
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        yield
    finally:
        if settings.channels_last:
            model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        model.eval()
        if teacher is not None and teacher_was_training:
            teacher.train()


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}


def _moved(targets: Any, device: torch.device) -> Any:
    if isinstance(targets, Tensor):
        return targets.to(device)
    if isinstance(targets, tuple | list):
        return type(targets)(_moved(target, device) for target in targets)
    return targets
