from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

NET = """\
import torch


class Net(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 3)
        self.fc = torch.nn.Linear(width, 10)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def make_net():
    return Net()
"""

CONFIG = """\
[model]
source = "net.py:make_net"
input = [3, 32, 32]

[task]
kind = "classification"
train = "train.parquet"
val = "val.parquet"
mean = [0.5]
std = [0.25]

[target]
runtime = "onnxruntime"

[budget]
latency = "50 %"
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a config and the files that it names; `swap` replaces parts of its text."""

    def write(*swaps: tuple[str, str], net: str = NET) -> Path:
        text = CONFIG
        for old, new in swaps:
            assert old in text
            text = text.replace(old, new)
        for name in ("train.parquet", "val.parquet", "net.safetensors"):
            (tmp_path / name).touch()
        (tmp_path / "net.py").write_text(net)
        path = tmp_path / "net.toml"
        path.write_text(text)
        return path

    return write
