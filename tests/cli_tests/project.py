"""What a user would have on their disk: a small network, its weights, data, and a config for the null runtime."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

SIDE = 8
CLASSES = 4

NET = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.blocks = nn.Sequential(Block(64), Block(64))
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def make_net():
    return Net()
"""

CONFIG = """
[model]
source = "net.py:make_net"
weights = "net.safetensors"
input = [3, 8, 8]

[task]
kind = "classification"
train = "train.parquet"
val = "val.parquet"
mean = [0.5]
std = [0.25]

[target]
runtime = "null"

[budget]
latency = "60 %"

[search]
trials = 6
calibration = 16
table_networks = 6

[finetune]
epochs = 2
batch_size = 16

[run]
out = "run"
"""

TASK = """
import torch
from torch.nn import functional


class Colours:
    metric_name = "accuracy"
    calls = 0
    steps_per_epoch = 3

    def _batches(self, seed, count):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(count):
            labels = torch.randint(0, 4, (8,), generator=generator)
            yield torch.randn(8, 3, 8, 8, generator=generator) + labels[:, None, None, None], labels

    def train_batches(self, epoch, seed):
        return self._batches(100 + epoch, 3)

    def val_batches(self):
        return self._batches(1, 2)

    def calibration(self):
        return torch.cat([inputs for inputs, _ in self._batches(2, 2)])

    def loss(self, outputs, targets):
        return functional.cross_entropy(outputs, targets)

    def distillation(self, student, teacher, temperature):
        return functional.mse_loss(student, teacher)

    def metric(self, outputs, targets):
        hits = torch.as_tensor(outputs).argmax(1) == targets
        return int(hits.sum()), len(targets)


def make_task():
    return Colours()
"""


def write_project(folder: Path) -> Path:
    """Write a network, weights, data and a config; return the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(NET)
    save_file(make_network(NET).state_dict(), folder / "net.safetensors")
    write_images(folder / "train.parquet", 48, seed=1)
    write_images(folder / "val.parquet", 24, seed=2)
    return write_config(folder)


def make_network(source: str) -> nn.Module:
    """Return the network of some source text, with the weights of seed 0."""
    names: dict[str, Callable[[], nn.Module]] = {}
    exec(source, names)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return names["make_net"]()


def write_config(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the config with each old text replaced by a new one."""
    text = CONFIG
    for old, new in changes:
        assert old in text, f"{old!r} is not in the config"
        text = text.replace(old, new)
    path = folder / "net.toml"
    path.write_text(text)
    return path


def write_images(path: Path, count: int, seed: int, *, damaged: int | None = None, label: int | None = None) -> None:
    """Write coloured squares as a Parquet file: one row may hold no image, and the last one any label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    colours = rng.integers(0, 80, (count, SIDE, SIDE, 3)) + 40 * labels[:, None, None, None]
    encoded = [_png(colour.astype(np.uint8)) for colour in colours]
    if damaged is not None:
        encoded[damaged] = b"not an image"
    if label is not None:
        labels[-1] = label
    pq.write_table(pa.table({"image": encoded, "label": labels}), path)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
