"""A network with a gap between two convolutions, for what a test is about; and all proofs of its cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from search.graph import Blueprint, comb, uniform
from search.importance import select
from search.surgery import Proof, Subnet, cut, original, permutation, silenced, trains

X = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))

Forward = Callable[[Any, torch.Tensor], torch.Tensor]


class Net(nn.Module):
    """Three convolutions; what a test is about happens to the values between the last two."""

    def __init__(self, between: Forward, **parts: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.o = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 24, 3, padding=1), nn.Conv2d(24, 4, 1)
        self.between = between
        self.register_buffer("grid", torch.randn(2, 24))
        self.wave = nn.Parameter(torch.randn(24, 8, 5, dtype=torch.complex64))
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.o(torch.relu(self.between(self, self.b(torch.relu(self.a(x))))))  # type: ignore[no-any-return]


def half(blueprint: Blueprint) -> tuple[Any, Subnet]:
    selection = select(blueprint, uniform(blueprint, 0.5))
    return selection, cut(blueprint, selection)


def proofs(model: nn.Module, x: torch.Tensor = X) -> tuple[Blueprint, Subnet, list[Proof]]:
    blueprint, rng = comb(model, x), np.random.default_rng(0)
    selection, subnet = half(blueprint)
    found = [original(blueprint), permutation(blueprint, rng), silenced(blueprint, selection, rng)]
    return blueprint, subnet, [*found, trains(blueprint, subnet)]
