"""ConvNeXt (Liu et al., A ConvNet for the 2020s, 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import nn

from .network import Cut, Network


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of a map (n, c, h, w)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """A depthwise convolution and a two-layer perceptron on each position, scaled by channel."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.widen = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.narrow = nn.Linear(hidden, width)
        self.gamma = nn.Parameter(1e-6 * torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.gamma * self.narrow(self.act(self.widen(self.norm(y))))
        out: torch.Tensor = x + y.permute(0, 3, 1, 2)
        return out


class ConvNeXt(Network):
    """Stages of blocks, each behind a layer that makes the image smaller.

    Args:
        widths: Of each stage.
        hidden: Width of each block's perceptron, by stage; None where the block was removed.
        classes: Width of the output.
    """

    def __init__(
        self,
        widths: Sequence[int] = (8, 12, 16),
        hidden: Sequence[Sequence[int | None]] = ((32, 24), (48, 40), (64,)),
        classes: int = 5,
    ) -> None:
        super().__init__()
        self.depths, self.classes = [len(stage) for stage in hidden], classes
        self.down = nn.ModuleList([nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), ChannelNorm(widths[0], eps=1e-6))])
        for before, width in pairwise(widths):
            self.down.append(nn.Sequential(ChannelNorm(before, eps=1e-6), nn.Conv2d(before, width, 2, 2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(nn.Identity() if h is None else Block(width, h) for h in stage))
            for width, stage in zip(widths, hidden, strict=True)
        )
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for down, stage in zip(self.down, self.stages, strict=True):
            x = stage(down(x))
        out: torch.Tensor = self.head(self.norm(x.mean((-2, -1))))
        return out

    def smaller(self, cut: Cut) -> Self:
        widths = [cut.out(f"down.{s}.{1 if s else 0}") for s in range(len(self.depths))]
        hidden = [[cut.hidden(f"stages.{s}.{b}.widen") for b in range(depth)] for s, depth in enumerate(self.depths)]
        return type(self)(widths, hidden, self.classes)


def convnext_atto() -> ConvNeXt:
    widths, depths = (40, 80, 160, 320), (2, 2, 6, 2)
    return ConvNeXt(widths, [[4 * width] * depth for width, depth in zip(widths, depths, strict=True)], 1000)
