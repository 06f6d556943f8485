"""The optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch.optim import SGD, AdamW, Optimizer

Groups = list[dict[str, Any]]
"""Parameters with what holds for them, as PyTorch's optimisers take them."""


@dataclass(frozen=True, slots=True)
class OptimizerEntry:
    """One row of the table.

    Attributes:
        description: One line for the reader.
        make: (groups of parameters, learning rate) -> the optimiser.
    """

    description: str
    make: Callable[[Groups, float], Optimizer]


OPTIMIZERS: Mapping[str, OptimizerEntry] = {
    "adamw": OptimizerEntry("Adam with decoupled weight decay", lambda groups, lr: AdamW(groups, lr=lr, foreach=True)),
    "sgd": OptimizerEntry(
        "stochastic gradient descent with Nesterov momentum 0.9",
        lambda groups, lr: SGD(groups, lr=lr, momentum=0.9, nesterov=True, foreach=True),
    ),
}
