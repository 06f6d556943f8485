"""A moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of parameters and floating-point buffers; whole-number buffers are copied.

    It averages tensors and copies no module: a module that wraps a graph need not survive a deep copy, and a copy's
    train and eval modes would have to be kept in step.

    The decay of step t is min(decay, (1 + t) / (10 + t)), so that the first weights do not linger in short trainings
    (as in TensorFlow's `ExponentialMovingAverage` with `num_updates`).

    Args:
        model: Its present state is the first average.
        decay: Between 0 and 1; 0 makes the average the last state.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._state = copy_state(model)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the state after step number `step`, counted from 0."""
        weight = 1 - min(self._decay, (1 + step) / (10 + step))
        floats: tuple[list[Tensor], list[Tensor]] = ([], [])
        for name, value in state_of(model).items():
            average = self._state[name]
            if average.is_floating_point():
                floats[0].append(average)
                floats[1].append(value)
            else:
                average.copy_(value)
        torch._foreach_lerp_(floats[0], floats[1], weight)

    def state(self) -> dict[str, Tensor]:
        """Return the average itself, name -> tensor; not a copy."""
        return self._state

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state that `state` returned."""
        for name, value in self._state.items():
            value.copy_(state[name])


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and persistent buffers by name: the tensors themselves."""
    return {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}


def copy_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of `state_of`."""
    return {name: value.detach().clone() for name, value in state_of(model).items()}


@torch.no_grad()
def restore_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Write a state into the network's own tensors, in place."""
    for name, value in state_of(model).items():
        value.copy_(state[name])
