"""A network in the manner of MobileNetV2 (Sandler et al. 2018) for images of 32x32 pixels and ten classes.

Its widths are multiples of 16, and all of its inner widths can be cut. Six of its blocks are residual, so that they
can be left out as a whole; the two that halve the resolution stay.
"""

from torch import Tensor, nn


class Inverted(nn.Module):
    """An inverted residual block: widen, filter each channel by itself, narrow; the input is added where it fits."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int = 1) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.widen = nn.Conv2d(inputs, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.filter = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.narrow = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.act = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y: Tensor = self.act(self.bn1(self.widen(x)))
        y = self.act(self.bn2(self.filter(y)))
        y = self.bn3(self.narrow(y))
        return x + y if self.residual else y


class Net(nn.Module):
    """A stem that halves the resolution, three stages on 16x16, 8x8 and 4x4 positions, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.stage1 = nn.Sequential(Inverted(16, 16, 4), Inverted(16, 16, 4))
        self.stage2 = nn.Sequential(Inverted(16, 32, 6, 2), *(Inverted(32, 32, 4) for _ in range(2)))
        self.stage3 = nn.Sequential(Inverted(32, 48, 4, 2), *(Inverted(48, 48, 4) for _ in range(2)))
        self.top = nn.Sequential(nn.Conv2d(48, 96, 1, bias=False), nn.BatchNorm2d(96), nn.ReLU6())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(96, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images (n, 3, 32, 32) to scores (n, 10)."""
        y = self.top(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        out: Tensor = self.head(self.pool(y).flatten(1))
        return out


def make_net() -> Net:
    """Return the network, untrained."""
    return Net()
