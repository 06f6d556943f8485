"""Compare two classifiers by their class probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import ModelError


def soft_loss(student: Any, teacher: Any, temperature: float) -> Tensor:
    """Return T^2 KL(teacher || student) at temperature T, mean over examples (and positions).

    The factor T^2 keeps the size of the gradients independent of T (Hinton, Vinyals, Dean 2015, "Distilling the
    Knowledge in a Neural Network", section 2.1).

    Args:
        student: Logits (n, classes, ...).
        teacher: Logits of the same shape.
        temperature: T, above 0.
    """
    student, teacher = _logits(student), _logits(teacher)
    if student.shape != teacher.shape:
        raise ModelError(
            f"Distillation needs outputs of one shape, but the student's have {list(student.shape)} and the teacher's "
            f"{list(teacher.shape)}."
        )
    # float32 also under autocast: a bfloat16 softmax has only eight bits for probabilities near 1.
    log_student = functional.log_softmax(student.float() / temperature, dim=1)
    log_teacher = functional.log_softmax(teacher.float() / temperature, dim=1)
    pointwise = functional.kl_div(log_student, log_teacher, reduction="none", log_target=True)
    return temperature**2 * pointwise.sum(dim=1).mean()


def soft_divergence(student: Any, teacher: Any) -> float:
    """Return KL(teacher || student) in nats, mean over examples, in float64."""
    with torch.no_grad():
        log_student = functional.log_softmax(_logits(student).double(), dim=1)
        log_teacher = functional.log_softmax(_logits(teacher).double(), dim=1)
        pointwise = functional.kl_div(log_student, log_teacher, reduction="none", log_target=True)
    # Rounding can leave equal outputs a hair below zero.
    return max(0.0, float(pointwise.sum(dim=1).mean()))


def _logits(outputs: Any) -> Tensor:
    if not isinstance(outputs, Tensor) or outputs.ndim < 2 or not outputs.is_floating_point():
        found = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ModelError(
            f"Class scores are one floating-point tensor (n, classes, ...), but the network returned {found}: return "
            "that tensor alone, or write an own task with `distillation` and `divergence`."
        )
    return outputs
