"""The network that the clock is tried on, as the file that a runtime takes: a residual CNN, with extra work or not."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from hwprofiles import get_runtime

NETWORK = "a CNN of eight 3x3 convolutions of 48 channels at 56 x 56"
WIDE = 48  # channels of the inner layer of the extra work: about 3 % of the network's time


@cache
def network(runtime: str, extra: int = 0, width: int = 48, depth: int = 7, size: int = 56) -> bytes:
    """Return the file for a runtime; `extra` is the inner width of two more 1x1 convolutions."""
    if get_runtime(runtime).artefact_kind == "onnx":
        return _onnx(extra, width, depth, size)
    return _program(extra, width, depth, size)


def twenty(runtime: str) -> list[bytes]:
    """Return twenty different files of roughly 2 to 9 ms."""
    return [network(runtime, 0, width, depth) for width in (32, 40, 48, 56, 64) for depth in (4, 5, 6, 7)]


def _onnx(extra: int, width: int, depth: int, size: int) -> bytes:
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def conv(x: str, fan_in: int, fan_out: int, kernel: int, name: str, stride: int = 1) -> str:
        values = rng.normal(size=(fan_out, fan_in, kernel, kernel)) / np.sqrt(fan_in * kernel**2)
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"{name}_w"))
        pads, strides = [kernel // 2] * 4, [stride, stride]
        nodes.append(helper.make_node("Conv", [x, f"{name}_w"], [name], pads=pads, strides=strides))
        nodes.append(helper.make_node("Relu", [name], [f"{name}_active"]))
        return f"{name}_active"

    x = conv("image", 3, width, 3, "stem", 2)
    for block in range(depth):
        y = conv(x, width, width, 3, f"block{block}")
        nodes.append(helper.make_node("Add", [x, y], [f"sum{block}"]))
        x = f"sum{block}"
    if extra:
        x = conv(conv(x, width, extra, 1, "extra1"), extra, width, 1, "extra2")
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 2 * size, 2 * size])
    pooled = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [1, width, 1, 1])
    graph = helper.make_graph(nodes, "clock", [image], [pooled], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


class _Residual(nn.Module):
    def __init__(self, extra: int, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.blocks = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1, bias=False) for _ in range(depth))
        inner = [nn.Conv2d(width, extra, 1, bias=False), nn.Conv2d(extra, width, 1, bias=False)] if extra else []
        self.extra = nn.ModuleList(inner)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(image))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        for layer in self.extra:
            x = torch.relu(layer(x))
        return x.mean((2, 3), keepdim=True)


def _program(extra: int, width: int, depth: int, size: int) -> bytes:
    torch.manual_seed(0)
    buffer = io.BytesIO()
    made = torch.export.export(_Residual(extra, width, depth).eval(), (torch.zeros(1, 3, 2 * size, 2 * size),))
    torch.export.save(made, buffer)
    return buffer.getvalue()
