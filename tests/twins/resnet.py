"""ResNet (He et al., Deep residual learning for image recognition, 2016), with either kind of block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import nn

from .network import Cut, Network

Inner = tuple[int, ...]
"""Widths inside a block: one between two 3 x 3 convolutions, two around the 3 x 3 one of a bottleneck."""


def _norm(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    def __init__(self, inputs: int, inner: Inner | None, outputs: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        self.branch = None if inner is None else self._branch(inputs, inner, outputs, stride)
        self.shortcut = nn.Sequential(*_norm(inputs, outputs, 1, stride)) if shortcut else None
        self.relu = nn.ReLU(inplace=True)

    @staticmethod
    def _branch(inputs: int, inner: Inner, outputs: int, stride: int) -> nn.Sequential:
        kernels = (3, 3) if len(inner) == 1 else (1, 3, 1)
        layers: list[nn.Module] = []
        for i, kernel in enumerate(kernels):
            step = stride if i == kernels.index(3) else 1
            layers += _norm((inputs, *inner)[i], (*inner, outputs)[i], kernel, step)
            layers.append(nn.ReLU(inplace=True))
        return nn.Sequential(*layers[:-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.shortcut is None else self.shortcut(x)
        if self.branch is None:
            return torch.relu(y)
        z: torch.Tensor = self.branch(x)
        z += y
        out: torch.Tensor = self.relu(z)
        return out


class ResNet(Network):
    """A stem, stages that each halve the image but the first, and a linear head.

    Args:
        stem: Width of the first convolution.
        outs: Width of each stage's sum; a first stage without a shortcut has the stem's.
        inner: Widths inside each block of each stage; None where the branch was removed.
        shortcuts: Whether each stage begins with a convolution on the path beside the branch.
        classes: Width of the output.
    """

    def __init__(
        self,
        stem: int = 8,
        outs: Sequence[int] = (8, 12, 16, 20),
        inner: Sequence[Sequence[Inner | None]] = (((8,), (6,)), ((12,), (10,)), ((16,),), ((20,),)),
        shortcuts: Sequence[bool] = (False, True, True, True),
        classes: int = 5,
    ) -> None:
        super().__init__()
        self.inner, self.shortcuts, self.classes = inner, shortcuts, classes
        self.stem = nn.Sequential(*_norm(3, stem, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        before, stages = stem, []
        for s, (out, blocks) in enumerate(zip(outs, inner, strict=True)):
            stage = [
                Block(out if b else before, width, out, 1 if b or not s else 2, shortcuts[s] and not b)
                for b, width in enumerate(blocks)
            ]
            stages.append(nn.Sequential(*stage))
            before = out
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(torch.flatten(self.pool(self.stages(self.stem(x))), 1))
        return out

    def smaller(self, cut: Cut) -> Self:
        stem = cut.out("stem.0")
        shortcuts = [f"stages.{s}.0.shortcut.0" for s in range(len(self.inner))]
        outs = [cut.out(name) if own else stem for name, own in zip(shortcuts, self.shortcuts, strict=True)]
        inner = [
            [None if width is None else _inner(cut, f"stages.{s}.{b}.branch", len(width)) for b, width in enumerate(w)]
            for s, w in enumerate(self.inner)
        ]
        return type(self)(stem, outs, inner, self.shortcuts, self.classes)


def _inner(cut: Cut, path: str, count: int) -> Inner | None:
    return tuple(cut.out(f"{path}.{3 * i}") for i in range(count)) if cut.has(path) else None


def bottlenecks() -> ResNet:
    """Return a small network of bottleneck blocks; a shortcut leads into its first stage too."""
    inner = (((8, 6), (6, 8)), ((8, 10), (9, 8)), ((10, 8),))
    return ResNet(12, (16, 20, 24), inner, (True, True, True))


def resnet18() -> ResNet:
    outs = (64, 128, 256, 512)
    return ResNet(64, outs, [((width,), (width,)) for width in outs], classes=1000)
