"""Random programs of views and writes compute what they did once their writes are values."""

import random
from typing import Any

import pytest
import torch

from .tracing import Forward, check_equal, traced


class Tape:
    """A random program of views, writes and reads on tensors of shape (batch, 4, 6)."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)

    def draw(self, bound: int) -> int:
        return self.random.randrange(bound)

    def view(self, x: torch.Tensor) -> torch.Tensor:
        dim = 1 + self.draw(x.dim() - 1) if x.dim() > 1 else 0
        size, choice = x.shape[dim], self.draw(8)
        if choice == 0 and size > 2:
            return x.narrow(dim, 1, size - 1) if self.draw(4) == 0 else torch.unflatten(x, dim, (1, size))
        if choice == 1 and x.dim() > 2:
            return x.transpose(dim, 1)
        if choice == 2 and size > 1:
            return x[(slice(None),) * dim + (slice(self.draw(2), None, 1 + self.draw(2)),)]
        if choice == 3 and x.dim() > 2:
            return x.select(dim, self.draw(size))
        if choice == 4:
            return x.unsqueeze(dim)
        if choice == 5 and size > 1:
            return torch.split(x, [1, size - 1], dim)[self.draw(2)]
        if choice == 6 and x.dim() > 2:
            return x.permute(0, *range(2, x.dim()), 1)
        return x.reshape(x.shape) if choice == 7 else x.squeeze(tuple(range(1, x.dim())))

    def write(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        value = other.sum() if other.dim() != x.dim() else other.sum(tuple(range(1, x.dim())), keepdim=True)
        choice = self.draw(5)
        if choice == 0:
            return x.mul_(0.5)
        if choice == 1:
            return x.add_(value)
        if choice == 2:
            return x.copy_(value.expand_as(x))
        return x.relu_() if choice == 3 else x.fill_(0.25)

    def run(self, _: Any, x: torch.Tensor) -> Any:
        self.random.seed(self.seed)
        tensors = [x * 2, x + 1]
        results = []
        for _step in range(14):
            chosen, other = tensors[self.draw(len(tensors))], tensors[self.draw(len(tensors))]
            kind = self.draw(5)
            if kind <= 1:
                tensors.append(self.view(chosen))
            elif kind <= 3:
                tensors.append(self.write(chosen, other * 1))
            else:
                results.append(chosen * 3)
        return (*results, *tensors)


@pytest.mark.parametrize("seed", range(25))
def test_random_programs_of_views_and_writes_stay_the_same(seed: int) -> None:
    tape = Tape(seed)
    found = traced(tape.run, torch.randn(2, 4, 6))
    assert found.static_batch is None
    for batch in (1, 3):
        check_equal(Forward(tape.run), found, torch.randn(batch, 4, 6))
