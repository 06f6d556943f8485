"""The loss of a training, with or without a teacher."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..config import FinetuneSettings
from ..tasks import Task


def training_loss(task: Task, outputs: Any, targets: Any, teacher: Any | None, settings: FinetuneSettings) -> Tensor:
    """Return alpha T^2 KL(teacher || student) + (1 - alpha) task loss, a mean over the batch.

    Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", section 2: a weighted mean of the cross
    entropy with the soft targets at temperature T, scaled by T^2 (section 2.1), and the one with the labels at
    temperature 1, "a considerably lower weight on the second" (so alpha is 0.9 by default). KL differs from their
    cross entropy by the teacher's entropy, a constant.

    Args:
        task: Gives both parts; its `distillation` holds the factor T^2.
        outputs: The student's.
        targets: Labels, as the task takes them.
        teacher: The teacher's outputs for the same inputs; None trains on the labels alone.
        settings: `distillation` is alpha, `temperature` is T.
    """
    alpha = settings.distillation
    if teacher is None or alpha == 0:
        return task.loss(outputs, targets)
    soft = task.distillation(outputs, teacher, settings.temperature)
    return soft if alpha == 1 else alpha * soft + (1 - alpha) * task.loss(outputs, targets)
