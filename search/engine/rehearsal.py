"""Do once, before anything is timed, all that a run will ask of a network and its task.

What does not fit is found in seconds here, and not after the table, the search or the training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hwprofiles import LatheError

from ..config import RunConfig
from ..errors import ConfigError, DataError, ModelError, UserExitError
from ..graph import Blueprint
from ..graph.tracing import user_line
from ..surgery import cut, everything, trains
from ..tasks import Batch, Task, seeded, total

LEAST_CALIBRATION = 2
"""Calibration inputs: batch statistics of fewer are none."""

EQUAL = 1e-3
"""Most divergence of a network's outputs from themselves: a little, where a user's own takes roots of rounding."""


def check_inputs(config: RunConfig) -> None:
    """Refuse what a run cannot do yet, before anything is loaded.

    Raises:
        ConfigError: The network has several inputs.
    """
    names = [name for name, _ in config.model.inputs]
    if len(names) > 1:
        raise ConfigError(
            f"`lathe run` takes networks with one input so far, but [model] input names {len(names)} "
            f"({', '.join(names)}): `lathe doctor` and `lathe prune` take this one."
        )


def rehearse(config: RunConfig, model: nn.Module, task: Task) -> None:
    """Load, run, score, compare and learn from one batch each.

    Args:
        config: What the run is told.
        model: The unpruned network; its mode is put back.
        task: Its task.

    Raises:
        DataError: The data or the task do not fit the network, or the task breaks a rule of its contract.
        ModelError: The network returns what a run cannot take yet.
    """
    was_training = model.training
    model.eval()
    try:
        inputs, targets = _first(task.val_batches(), "held-out")
        _check_batch(config, inputs, "The first held-out batch")
        with _judged(config, inputs, "the first held-out batch"):
            outputs = _outputs(model, inputs)
            _check_metric(task, outputs, targets)
            _check_loss(task, model, inputs, targets)
            _check_assumed(config, task, outputs, targets)
        _check_calibration(config, model, task)
        _check_training(config, model, task)
    finally:
        model.train(was_training)


def check_trains(blueprint: Blueprint) -> None:
    """Check that what is cut of a network can be trained, before anything that takes long.

    Raises:
        ModelError: It cannot.
    """
    proof = trains(blueprint, cut(blueprint, everything(blueprint)))
    if not proof.passed:
        raise ModelError(
            f"`lathe run` trains what it cuts, but {proof.note}. Let parameters be trained, compute that part with "
            "operators that torch has derivatives of, or cut without training: `lathe prune`."
        )


def _first(batches: Iterator[Batch], what: str) -> Batch:
    batch = next(batches, None)
    if batch is None:
        raise DataError(f"A task needs at least one {what} batch, but there was none.")
    return batch


@contextmanager
def _judged(config: RunConfig, inputs: Tensor, where: str) -> Iterator[None]:
    """Say of what the network or the task raises that they do not fit."""
    try:
        yield
    except LatheError:
        raise
    except SystemExit as exc:
        raise UserExitError(
            f"The network or the task ended the program (SystemExit: {exc}) on {where}{user_line(exc)}: raise an "
            "error, or return."
        ) from exc
    except Exception as exc:
        raise DataError(
            f"The task must take the network's outputs, but on {where} (inputs of shape {list(inputs.shape[1:])}, "
            f"network made for {list(config.model.shape)}) it raised {type(exc).__name__}: {exc}{user_line(exc)}. "
            "Correct `input` in [model], the network or the task."
        ) from exc


def _check_batch(config: RunConfig, inputs: Any, what: str) -> None:
    if not isinstance(inputs, Tensor) or inputs.dtype != torch.float32 or len(inputs) == 0:
        found = f"{inputs.dtype} {list(inputs.shape)}" if isinstance(inputs, Tensor) else type(inputs).__name__
        raise DataError(f"Inputs are float32 tensors (n, ...) with at least one example, but {what} has {found}.")
    if tuple(inputs.shape[1:]) != config.model.shape:
        raise DataError(
            f"Inputs have the shape of [model] input, {list(config.model.shape)}, but {what} has "
            f"{list(inputs.shape[1:])} (without the batch): correct `input` or the data."
        )


def _outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        outputs = model(inputs)
    if not isinstance(outputs, Tensor):
        raise ModelError(
            f"`lathe run` takes networks with one output tensor so far, but this one returns {_told(outputs)}: "
            "`lathe doctor` and `lathe prune` take this one; for a run, wrap it in a module that returns the tensor."
        )
    if outputs.ndim == 0 or len(outputs) != len(inputs):
        raise ModelError(
            f"A network returns one row for each input, but for {len(inputs)} inputs this one returns a tensor of "
            f"shape {list(outputs.shape)}."
        )
    return outputs


def _told(outputs: Any) -> str:
    if isinstance(outputs, dict):
        return f"a {type(outputs).__name__} with {', '.join(map(str, outputs)) or 'nothing'}"
    parts = f" of {len(outputs)}" if isinstance(outputs, tuple | list) else ""
    return f"a {type(outputs).__name__}{parts}"


def _check_metric(task: Task, outputs: Tensor, targets: Any) -> None:
    """Score the outputs as torch gives them and as a runtime does, which must say the same."""
    if not task.metric_name.strip():
        raise DataError("A metric has a name, but `metric_name` is empty.")
    scores = [total(iter([task.metric(given, targets)])) for given in (outputs, outputs.numpy())]
    if not all(map(math.isfinite, scores)):
        raise DataError(f"A metric is a number, but on the first held-out batch it is {scores[0]:g}.")
    if not math.isclose(*scores, abs_tol=1e-6):
        raise DataError(
            f"A metric is the same of tensors and of arrays, which runtimes return, but on the first held-out batch it "
            f"is {scores[0]:g} and {scores[1]:g}."
        )


def _check_loss(task: Task, model: nn.Module, inputs: Tensor, targets: Any) -> None:
    with torch.enable_grad():
        loss = task.loss(model(inputs), targets)
    _check_number("loss", loss)
    if not loss.requires_grad and any(parameter.requires_grad for parameter in model.parameters()):
        raise DataError(
            "A loss is differentiable, but that of the first held-out batch has no gradient: compute it from the "
            "network's outputs with operators of torch, without `detach` or `no_grad`."
        )


def _check_number(what: str, value: Any) -> None:
    if not isinstance(value, Tensor) or value.ndim != 0:
        found = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise DataError(f"A {what} is a tensor that holds one number, but the task returned {found}: take the mean.")
    if not math.isfinite(number := float(value.detach())):
        raise DataError(
            f"The unpruned network's {what} must be a number, but on the first batch it is {number:g}: "
            "look for values that are not numbers in the weights, the data or the task."
        )


def _check_assumed(config: RunConfig, task: Task, outputs: Tensor, targets: Any) -> None:
    """Refuse defaults that hold for class scores only where the targets are no classes."""
    unused = {"distillation"} if config.finetune.settings.distillation == 0 else set()
    assumed = [name for name in task.assumed if name not in unused]
    if assumed and not _are_class_scores(outputs, targets):
        both = " and ".join(f"`{name}`" for name in assumed)
        found = f"{targets.dtype} {list(targets.shape)}" if hasattr(targets, "dtype") else f"a {type(targets).__name__}"
        raise DataError(
            f"A task whose outputs are not class scores brings {both} of its own, since the defaults compare softmax "
            f"probabilities of classes, but this one has none, and its targets ({found}, for outputs "
            f"{list(outputs.shape)}) are no class indices. Add {both}: a mean squared difference suits most numbers. "
            "Where the outputs are class scores all the same, return `search.tasks.soft_loss` and "
            "`search.tasks.soft_divergence` from them."
        )


def _are_class_scores(outputs: Tensor, targets: Any) -> bool:
    """Tell whether the targets are indices of axis 1 of the outputs; negative ones may mean "do not count"."""
    if not hasattr(targets, "dtype") or not hasattr(targets, "shape") or outputs.ndim < 2 or outputs.shape[1] < 2:
        return False
    labels = np.asarray(targets)
    expected = (outputs.shape[0], *outputs.shape[2:])
    return labels.dtype.kind in "iu" and labels.shape == expected and int(labels.max()) < outputs.shape[1]


def _check_calibration(config: RunConfig, model: nn.Module, task: Task) -> None:
    inputs = task.calibration()
    _check_batch(config, inputs, "the calibration")
    if len(inputs) < LEAST_CALIBRATION:
        raise DataError(f"Calibration takes {LEAST_CALIBRATION} examples or more, but the task has {len(inputs)}.")
    with _judged(config, inputs, "the calibration inputs"):
        outputs = _outputs(model, inputs)
        same = float(task.divergence(outputs, outputs))
        noise = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0))
        spread = float(outputs.float().std()) or 1.0
        other = float(task.divergence(outputs + spread * noise.to(outputs.dtype), outputs))
    if not math.isfinite(same) or not abs(same) <= EQUAL:
        raise DataError(
            f"A divergence is 0 where outputs are equal, but of the unpruned network from itself it is {same:g}."
        )
    if not other > same:
        raise DataError(
            f"A divergence is larger the farther outputs are apart, but with noise of their own spread added it is "
            f"{other:g}, as against {same:g} without: the search could not tell networks apart."
        )


def _check_training(config: RunConfig, model: nn.Module, task: Task) -> None:
    with seeded(config.run.seed, 0):
        inputs, targets = _first(task.train_batches(0, config.run.seed), "training")
        _check_batch(config, inputs, "the first training batch")
        steps = task.steps_per_epoch
    if steps < 1:
        raise DataError(f"An epoch has at least one step, but `steps_per_epoch` is {steps}.")
    settings = config.finetune.settings
    with _judged(config, inputs, "the first training batch"):
        outputs = _outputs(model, inputs)
        _check_number("loss", task.loss(outputs, targets))
        if settings.distillation:
            _check_number("distillation", task.distillation(outputs, outputs, settings.temperature))
