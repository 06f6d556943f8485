"""U-Net (Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

from .network import Cut, Network

Pair = tuple[int, int]
"""Widths of the two convolutions of one level."""


class Double(nn.Sequential):
    """Two 3 x 3 convolutions, each with batch normalisation and an activation."""

    def __init__(self, inputs: int, widths: Pair) -> None:
        layers: list[nn.Module] = []
        for before, width in zip((inputs, widths[0]), widths, strict=True):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class UNet(Network):
    """A path down, a path up, and on each level the map from the way down beside that from below.

    Args:
        down: Widths of each level on the way down, the lowest last.
        up: Widths of each level on the way up, the highest last.
        steps: Width of each transposed convolution on the way up; None to resize instead.
        classes: Channels of the output.
    """

    def __init__(
        self,
        down: Sequence[Pair] = ((6, 8), (10, 12), (16, 14)),
        up: Sequence[Pair] = ((12, 10), (8, 6)),
        steps: Sequence[int] | None = (10, 8),
        classes: int = 3,
    ) -> None:
        super().__init__()
        self.classes = classes
        before = (3, *(pair[1] for pair in down))
        self.down = nn.ModuleList(Double(before[i], pair) for i, pair in enumerate(down))
        below = (down[-1][1], *(pair[1] for pair in up))
        rises = below if steps is None else steps
        self.steps: nn.ModuleList | None = None
        if steps is not None:
            self.steps = nn.ModuleList(nn.ConvTranspose2d(below[i], w, 2, 2) for i, w in enumerate(steps))
        self.up = nn.ModuleList(Double(down[-2 - i][1] + rises[i], pair) for i, pair in enumerate(up))
        self.head = nn.Conv2d(below[-1], classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        beside: list[torch.Tensor] = []
        for i, level in enumerate(self.down):
            x = level(F.max_pool2d(x, 2) if i else x)
            beside.append(x)
        for i, level in enumerate(self.up):
            if self.steps is None:
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            else:
                x = self.steps[i](x)
            x = level(torch.cat([beside[-2 - i], x], 1))
        out: torch.Tensor = self.head(x)
        return out

    def smaller(self, cut: Cut) -> Self:
        down = [(cut.out(f"down.{i}.0"), cut.out(f"down.{i}.3")) for i in range(len(self.down))]
        up = [(cut.out(f"up.{i}.0"), cut.out(f"up.{i}.3")) for i in range(len(self.up))]
        # A transposed convolution holds its outputs on axis 1, and has one bias for each.
        steps = None if self.steps is None else [len(cut.state[f"steps.{i}.bias"]) for i in range(len(self.up))]
        return type(self)(down, up, steps, self.classes)


def resized() -> UNet:
    """Return a small network that resizes on the way up."""
    return UNet(steps=None)


def unet32() -> UNet:
    """Return one of 7.8 million parameters."""
    widths = (32, 64, 128, 256, 512)
    return UNet([(w, w) for w in widths], [(w, w) for w in widths[-2::-1]], widths[-2::-1], 2)
