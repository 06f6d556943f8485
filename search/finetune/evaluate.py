"""Score a network by a task's metric, through torch or through whatever runs its exported file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..tasks import Score, Task, total

Run = Callable[[Tensor], Any]
"""Inputs (n, ...) to outputs: a tensor or an array with one row for each input."""


def evaluate(run: Run, task: Task, *, batch: int | None = None) -> float:
    """Return the task's metric over its held-out data.

    Args:
        run: Computes the outputs of a batch.
        task: Holds data and metric.
        batch: Examples that `run` takes at once, always exactly so many, as an exported file with a fixed batch wants
            it (a last batch is filled up, and the filling's outputs dropped); None hands over the task's own batches.
    """
    return total(_scores(run, task, batch))


def evaluate_module(model: nn.Module, task: Task) -> float:
    """Return the task's metric of a network in eval mode; its mode is put back."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return evaluate(lambda inputs: model(inputs.to(device)), task)
    finally:
        model.train(was_training)


def _scores(run: Run, task: Task, batch: int | None) -> Iterator[Score]:
    for inputs, targets in task.val_batches():
        yield task.metric(run(inputs) if batch is None else _in_parts(run, inputs, batch), targets)


def _in_parts(run: Run, inputs: Tensor, batch: int) -> Any:
    if batch < 1:
        raise ValueError(f"`batch` must be at least 1, but got {batch}.")
    parts: list[Any] = []
    for start in range(0, len(inputs), batch):
        part = inputs[start : start + batch]
        filled = torch.cat([part, part[-1:].expand(batch - len(part), *part.shape[1:])]) if len(part) < batch else part
        parts.append(run(filled)[: len(part)])
    return torch.cat(parts) if isinstance(parts[0], Tensor) else np.concatenate(parts)
