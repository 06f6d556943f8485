"""A small residual network for grey images of 16x16 pixels."""

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions, wider between them, added to their input."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, hidden, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, width, h, w) to the same shape."""
        y = self.act(self.bn1(self.conv1(x)))
        out: Tensor = self.act(x + self.bn2(self.conv2(y)))
        return out


def make_net() -> nn.Module:
    """Return the network, untrained: images (n, 1, 16, 16) to scores (n, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Block(16, 32),
        Block(16, 32),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
