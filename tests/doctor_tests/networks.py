"""Networks whose examination is known, as `module:function` names them."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from tests.networks import Basic
from tests.twins.families import SMALL


class Chain(nn.Module):
    """Three convolutions; a test says what happens between the first and the second."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.second = nn.Conv2d(8, 6, 1)
        self.third = nn.Conv2d(6, 4, 1)

    def between(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.third(self.second(self.between(self.first(x))))
        return out


class Renormed(Chain):
    def between(self, x: Tensor) -> Tensor:
        return x.renorm(2, 1, 9.0)


class Viewed(Chain):
    def between(self, x: Tensor) -> Tensor:
        y = x.relu()
        y[:, :4].mul_(2)
        return y


class Branching(Chain):
    def between(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, torch.relu, torch.tanh, (x,))  # type: ignore[no-any-return]


class Untraceable(Chain):
    def between(self, x: Tensor) -> Tensor:
        return x.relu() if x.sum() > 0 else x


class Auxiliary(Chain):
    """A second output, in training alone."""

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:  # type: ignore[override]
        hidden = self.second(self.first(x))
        out: Tensor = self.third(hidden)
        return (out, hidden) if self.training else out


class Whole(Chain):
    """Every axis of every parameter is met by an operator without a rule, an input or an output."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.second(self.first(x).renorm(2, 1, 9.0))
        out: Tensor = self.third(hidden.renorm(2, 1, 9.0))
        return out


class Deep(nn.Module):
    """Many small blocks."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 4)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 4)) for _ in range(blocks))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        out: Tensor = self.head(x)
        return out


class Stages(nn.Module):
    """A residual network: blocks of each stage are its arguments; each stage but the first halves the resolution."""

    def __init__(self, *depths: int) -> None:
        super().__init__()
        widths = [4 * 2**i for i in range(len(depths))]
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.stages = nn.Sequential()
        for i, (before, (depth, width)) in enumerate(zip([4, *widths], zip(depths, widths, strict=True), strict=False)):
            first = Basic(before, width, 2 if i else 1)
            self.stages.append(nn.Sequential(first, *(Basic(width, width, 1) for _ in range(depth - 1))))
        self.head = nn.Linear(widths[-1], 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.stages(self.stem(x)).mean((2, 3)))
        return out


class Dense(nn.Module):
    """Each layer reads all layers before it, so that no two are read alike."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.growth = nn.ModuleList(nn.Conv2d(6, 2, 3, padding=1) for _ in range(layers))
        self.inside = nn.ModuleList(nn.Conv2d(4 + 2 * i, 6, 1) for i in range(layers))
        self.down = nn.Conv2d(4 + 2 * layers, 8, 1)
        self.tail = nn.Sequential(*(nn.Conv2d(a, b, 1) for a, b in pairwise((8, 5, 3))))

    def forward(self, x: Tensor) -> Tensor:
        found = [self.stem(x)]
        for inside, growth in zip(self.inside, self.growth, strict=True):
            found.append(growth(inside(torch.cat(found, 1)).relu()))
        out: Tensor = self.tail(nn.functional.avg_pool2d(self.down(torch.cat(found, 1)), 2))
        return out


def sorted_() -> nn.Module:
    return Renormed()


def viewed() -> nn.Module:
    return Viewed()


def branching() -> nn.Module:
    return Branching()


def untraceable() -> nn.Module:
    return Untraceable()


def auxiliary() -> nn.Module:
    return Auxiliary()


def whole() -> nn.Module:
    return Whole()


def deep() -> nn.Module:
    return Deep(1000)


def stages() -> nn.Module:
    return Stages(2, 3, 2)


def deit() -> nn.Module:
    return SMALL["deit"].make()
