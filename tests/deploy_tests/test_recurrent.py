"""Recurrent layers in exported files, and in files that are sliced for timing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from search.bench import OnnxSlicer
from search.deploy import export
from search.deploy.export import to_onnx
from search.graph import Blueprint, comb, sample, uniform
from search.graph.pieces import piece_specs, pieces
from search.importance import select
from search.surgery import cut

from .optimised import optimised


class Reader(nn.Module):
    """A recurrent network between two linear layers."""

    def __init__(self, kind: Any, **options: Any) -> None:
        super().__init__()
        self.before, self.net = nn.Linear(5, 12), kind(12, 8, batch_first=True, **options)
        out = options.get("proj_size") or 8
        self.after = nn.Linear(out * (2 if options.get("bidirectional") else 1), 3)

    def forward(self, x: Tensor) -> Tensor:
        labels: Tensor = self.after(self.net(torch.relu(self.before(x)))[0])
        return labels


class Steps(nn.Module):
    """A cell that is run by hand."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.before, self.net, self.after = nn.Linear(5, 12), kind(12, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for k in range(3):
            state = self.net(self.before(x[:, k]), state)
        labels: Tensor = self.after(state[0] if isinstance(state, tuple) else state)
        return labels


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "gru": lambda: Reader(nn.GRU, num_layers=2),
    "lstm-both": lambda: Reader(nn.LSTM, num_layers=2, bidirectional=True),
    "lstm-projected": lambda: Reader(nn.LSTM, proj_size=3),
    "rnn": lambda: Reader(nn.RNN, bias=False, nonlinearity="relu"),
    "gru-cell": lambda: Steps(nn.GRUCell),
    "lstm-cell": lambda: Steps(nn.LSTMCell),
}

each = pytest.mark.parametrize("name", NETWORKS)


def combed(name: str) -> Blueprint:
    torch.manual_seed(0)
    return comb(NETWORKS[name]().eval(), torch.randn(2, 3, 5))


@each
def test_a_cut_network_is_exported(name: str, tmp_path: Path) -> None:
    blueprint = combed(name)
    network = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    export(network, tmp_path / "net.onnx", dynamic_batch=True)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    x = torch.randn(4, 3, 5)
    (got,) = session.run(None, {"input": x.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(got), network(x), rtol=1e-4, atol=1e-5)


@each
def test_a_sliced_file_is_what_the_runtime_makes_of_the_cut_network(name: str) -> None:
    blueprint = combed(name)
    slicer = OnnxSlicer(blueprint, 1)
    candidate = sample(blueprint, np.random.default_rng(0))
    network = cut(blueprint, select(blueprint, candidate))
    found = onnx.load_from_string(slicer.slice(candidate))
    assert optimised(found) == optimised(to_onnx(network, network.example(1)))


def test_each_layer_and_each_step_is_a_unit() -> None:
    families = {spec.name: str(spec.family) for spec in piece_specs(combed("lstm-both"))}
    assert list(families) == ["before", "net", "net#2", "after"]
    assert families["net"] == "lstm at3x1 both"
    blueprint = combed("gru-cell")
    assert [spec.name for spec in piece_specs(blueprint)][:4] == ["before", "net", "before#2", "net#2"]
    assert pieces(blueprint, uniform(blueprint, 0.5))["net"].widths == (6, 4)


def test_both_layers_of_a_stack_are_found_again_in_the_file() -> None:
    blueprint = combed("gru")
    slicer = OnnxSlicer(blueprint, 1)
    made = slicer.nodes(uniform(blueprint, 0.5))
    file = onnx.load_from_string(slicer.slice(uniform(blueprint, 0.5)))
    owners = [
        unit for node in file.graph.node if node.op_type == "GRU" for unit in made if node.output[0] in made[unit]
    ]
    assert len(set(owners)) == 2
