"""MobileNetV2 (Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import nn

from .network import Cut, Network


def _norm(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]


class Inverted(nn.Module):
    """An inverted residual block; without its branch, it is the path that stays."""

    def __init__(self, inputs: int, hidden: int | None, outputs: int, stride: int, *, expand: bool, add: bool) -> None:
        super().__init__()
        self.add, self.branch = add, None
        if hidden is not None:
            first = [*_norm(inputs, hidden, 1), nn.ReLU6(inplace=True)] if expand else []
            depthwise = [*_norm(hidden, hidden, 3, stride, hidden), nn.ReLU6(inplace=True)]
            self.branch = nn.Sequential(*first, *depthwise, *_norm(hidden, outputs, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.branch is None:
            return x
        y: torch.Tensor = self.branch(x)
        return x + y if self.add else y


class MobileNetV2(Network):
    """A stem, groups of inverted residual blocks, a wide last convolution and a head with dropout.

    Args:
        stem: Width of the first convolution, and so of the first block, which does not expand.
        outs: Width of each group.
        hidden: Expanded width of each block of each group (the stem's in the first); None where it was removed.
        strides: Of each group's first block.
        last: Width of the last convolution.
        classes: Width of the output.
    """

    def __init__(
        self,
        stem: int = 8,
        outs: Sequence[int] = (6, 8, 12),
        hidden: Sequence[Sequence[int | None]] = ((8,), (18, 24), (24, 36, 30)),
        strides: Sequence[int] = (1, 2, 2),
        last: int = 32,
        classes: int = 5,
    ) -> None:
        super().__init__()
        self.groups, self.strides, self.classes = [len(widths) for widths in hidden], strides, classes
        self.stem = nn.Sequential(*_norm(3, stem, 3, 2), nn.ReLU6(inplace=True))
        before, groups = stem, []
        for g, (out, widths) in enumerate(zip(outs, hidden, strict=True)):
            first = Inverted(before, widths[0], out, strides[g], expand=g > 0, add=False)
            groups.append(
                nn.Sequential(first, *(Inverted(out, width, out, 1, expand=True, add=True) for width in widths[1:]))
            )
            before = out
        self.blocks = nn.Sequential(*groups)
        self.last = nn.Sequential(*_norm(before, last, 1), nn.ReLU6(inplace=True))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.last(self.blocks(self.stem(x))).mean((2, 3)))
        return out

    def smaller(self, cut: Cut) -> Self:
        # Of a group's first block, which is always there, the last convolution is at 3 or, where it expands, at 6.
        outs = [cut.out(f"blocks.{g}.0.branch.{6 if g else 3}") for g in range(len(self.groups))]
        hidden = [[cut.hidden(f"blocks.{g}.{b}.branch.0") for b in range(count)] for g, count in enumerate(self.groups)]
        return type(self)(cut.out("stem.0"), outs, hidden, self.strides, cut.out("last.0"), self.classes)


def mobilenet_v2() -> MobileNetV2:
    outs, blocks = (16, 24, 32, 64, 96, 160, 320), (1, 2, 3, 4, 3, 3, 1)
    inputs = (32, *outs)
    hidden = [[(6 if g else 1) * (outs[g] if b else inputs[g]) for b in range(count)] for g, count in enumerate(blocks)]
    return MobileNetV2(32, outs, hidden, (1, 2, 2, 2, 1, 2, 1), 1280, 1000)
