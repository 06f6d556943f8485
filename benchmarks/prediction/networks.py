"""The networks that tables are built for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from tests.twins import FULL, randomise
from tests.twins.deit import DeiT
from tests.twins.network import Network


class Excited(nn.Module):
    """Squeeze and excitation (Hu et al., 2018) of a concatenation."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate: torch.Tensor = self.up(torch.relu(self.down(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


def layer(fan_in: int, fan_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution with its norm and activation."""
    conv = nn.Conv2d(fan_in, fan_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(fan_out), nn.ReLU())


class Mixed(nn.Module):
    """Three branches of different reach, concatenated and excited, in the manner of Inception-v3."""

    def __init__(self, fan_in: int, near: int, mid: int, far: int) -> None:
        super().__init__()
        self.near = layer(fan_in, near, 1)
        self.mid = nn.Sequential(layer(fan_in, mid // 2, 1), layer(mid // 2, mid, 3))
        self.far = nn.Sequential(layer(fan_in, far, 1), layer(far, far, 3), layer(far, far, 3))
        self.excite = Excited(near + mid + far, (near + mid + far) // 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.excite(torch.cat([self.near(x), self.mid(x), self.far(x)], 1))
        return out


class MixedNet(nn.Module):
    """Three stages of concatenating blocks with squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(layer(3, 32, 3, 2), layer(32, 64, 3, 2))
        stages: list[nn.Module] = []
        width = 64
        for near, mid, far in ((32, 64, 32), (64, 128, 64), (128, 192, 64)):
            stages += [Mixed(width, near, mid, far), Mixed(near + mid + far, near, mid, far)]
            width = near + mid + far
            stages.append(layer(width, width, 3, 2))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(width, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.stages(self.stem(x)).mean((2, 3)))
        return out


@dataclass(frozen=True)
class Case:
    """A network, and the side of the images that it takes."""

    make: Callable[[], nn.Module]
    image: int

    def build(self) -> tuple[nn.Module, torch.Tensor]:
        """Return the network with random weights, in eval mode, and an example input."""
        torch.manual_seed(0)
        network = self.make()
        if isinstance(network, Network):
            randomise(network)
        return network.eval(), torch.zeros(1, 3, self.image, self.image)


CASES = {
    "ResNet-18": Case(FULL["ResNet-18"].make, 128),
    "MobileNetV2": Case(FULL["MobileNetV2"].make, 160),
    "DeiT-Tiny": Case(lambda: DeiT(192, [(3, 64)] * 12, [768] * 12, 160, 16, 1000), 160),
    "Mixed-SE": Case(MixedNet, 128),
}
"""Name -> network; the last one has concatenations and squeeze-excite."""
