"""Files compute in float32 where the network casts to a narrower type."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from search.bench import OnnxSlicer
from search.deploy import export, exported
from search.deploy.export import to_onnx
from search.graph import comb, uniform
from search.importance import select
from search.surgery import cut


class Mixed(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.a, self.b, self.dtype = nn.Conv2d(3, 8, 3), nn.Linear(8, 4), dtype

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=self.dtype):
            y = torch.relu(self.a(x))
        out: Tensor = self.b(y.float().mean((2, 3)))
        return out


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_file_is_float32_and_as_near_as_the_type_allows(dtype: torch.dtype, tmp_path: Path) -> None:
    blueprint = comb(Mixed(dtype).eval(), torch.randn(2, 3, 8, 8))
    network = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    export(network, tmp_path / "net.onnx")
    file = onnx.load(tmp_path / "net.onnx")
    assert {tensor.data_type for tensor in file.graph.initializer} <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}
    proof = exported(network, tmp_path / "net.onnx", blueprint.trace, np.random.default_rng(0))
    assert proof.passed
    assert proof.tolerance == (5e-2 if dtype == torch.bfloat16 else 1e-2)
    # The network itself still casts.
    assert dtype in {leaf for node in network.graph.nodes for leaf in node.args if isinstance(leaf, torch.dtype)}


def test_such_a_file_can_be_sliced() -> None:
    blueprint = comb(Mixed(torch.bfloat16).eval(), torch.randn(2, 3, 8, 8))
    file = onnx.load_from_string(OnnxSlicer(blueprint, 1).slice(uniform(blueprint, 0.5)))
    assert [4, 3, 3, 3] in [list(tensor.dims) for tensor in file.graph.initializer]


def test_a_network_of_narrow_numbers_stays_narrow() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).half().eval()
    blueprint = comb(net, torch.randn(2, 3).half())
    file = to_onnx(cut(blueprint, select(blueprint, uniform(blueprint, 0.5))), torch.randn(1, 3).half())
    assert {tensor.data_type for tensor in file.graph.initializer} == {onnx.TensorProto.FLOAT16}
