"""Networks whose files are hard to slice."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from search.graph import Blueprint, comb
from tests.networks import EXAMPLE, residual
from tests.twins import SMALL, randomise


class Grouped(nn.Module):
    """Biases everywhere, grouped and depthwise convolutions, and a head behind a flattened map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.grouped = nn.Conv2d(8, 12, 3, 2, 1, groups=4)
        self.norm = nn.BatchNorm2d(12)
        self.depthwise = nn.Conv2d(12, 12, 3, 1, 1, groups=12)
        self.narrow = nn.Conv2d(12, 6, 1)
        self.hidden = nn.Linear(6 * 8 * 8, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm(self.grouped(torch.relu(self.stem(x)))))
        y = torch.relu(self.narrow(torch.relu(self.depthwise(y))))
        out: torch.Tensor = self.head(torch.relu(self.hidden(torch.flatten(y, 1))))
        return out


class Tower(nn.Module):
    """Four pre-activation blocks in a row, so that several may go, and all of them."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 2, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 1, 1), nn.ReLU(),
                          nn.Conv2d(2 * width, width, 1))
            for _ in range(4)
        )  # fmt: skip
        self.head = nn.Linear(width, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x)
        for block in self.blocks:
            y = y + block(y)
        out: torch.Tensor = self.head(torch.relu(y).mean((2, 3)))
        return out


class Joined(nn.Module):
    """Concatenations of several widths, a squeeze-and-excitation, a channel shuffle and a split."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, 1, 1)
        self.branches = nn.ModuleList(nn.Conv2d(12, width, 3, 1, 1) for width in (6, 10, 8))
        self.squeeze = nn.Conv2d(24, 6, 1)
        self.excite = nn.Conv2d(6, 24, 1)
        self.grouped = nn.Conv2d(24, 24, 3, 2, 1, groups=2)
        self.dense = nn.Conv2d(24, 14, 1)
        self.head = nn.Linear(38, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.stem(x))
        y = torch.cat([torch.relu(branch(y)) for branch in self.branches], 1)
        gate = self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True))))
        y = torch.relu(self.grouped(y * torch.sigmoid(gate)))
        batch, channels, height, width = y.shape
        y = y.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
        y = torch.cat([y, torch.relu(self.dense(y))], 1)
        out: torch.Tensor = self.head(y.mean((2, 3)))
        return out


def twin_of(name: str) -> Blueprint:
    """Return the blueprint of one of the twins, with random weights."""
    torch.manual_seed(0)
    family = SMALL[name]
    return comb(randomise(family.make()).eval(), torch.zeros(1, 3, family.image, family.image))


def blueprint_of(name: str) -> Blueprint:
    torch.manual_seed(0)
    makers: dict[str, Callable[[], nn.Module]] = {"residual": residual, "grouped": Grouped, "tower": Tower,
                                                "joined": Joined}  # fmt: skip
    network = makers[name]()
    with torch.no_grad():
        # Exporters write equal constants once, such as the scales of norms that were never trained.
        for value in network.state_dict().values():
            if value.is_floating_point() and value.dim() == 1:
                value.uniform_(0.5, 1.5)
    return comb(network.eval(), EXAMPLE)
