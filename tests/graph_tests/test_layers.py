"""Stacked recurrent layers become one call each, and compute what they computed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from search.graph import Blueprint, Selection, assemble, comb, uniform
from search.graph.tracing import operator_name, trace
from search.surgery import Subnet, cut, permutation, silenced

from .tracing import Forward, check_equal, operators

KINDS = [nn.GRU, nn.LSTM, nn.RNN]


def outputs(self: Any, x: Tensor) -> Any:
    return self.net(x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"batch_first": True, "bidirectional": True, "bias": False, "dropout": 0.5}])
def test_a_stack_computes_the_same_to_the_bit(kind: Any, options: dict[str, Any]) -> None:
    model = Forward(outputs, net=kind(5, 3, num_layers=3, **options)).eval()
    x = torch.randn(2, 4, 5)
    found = trace(model, x)
    assert sum(name in ("gru", "lstm", "rnn_tanh") for name in operators(found)) == 3
    check_equal(model, found, x)


def test_given_states_are_handed_to_their_layers() -> None:
    def run(self: Any, x: Tensor) -> Any:
        y, h = self.net(x, self.start.expand(-1, x.shape[0], -1).contiguous())
        return y, h[1], h[-1]

    net = nn.GRU(5, 3, num_layers=2, batch_first=True)
    model = Forward(run, net=net, start=nn.Parameter(torch.randn(2, 1, 3))).eval()
    found = trace(model, torch.randn(2, 4, 5))
    check_equal(model, found, torch.randn(3, 4, 5))


def test_what_is_dropped_between_layers_is_dropped_while_training_only() -> None:
    model = Forward(outputs, net=nn.LSTM(5, 4, num_layers=2, dropout=0.5, batch_first=True), head=nn.Linear(4, 2))
    model.function = lambda self, x: self.head(self.net(x)[0])
    found = comb(model, torch.randn(2, 3, 5))
    network = cut(found, half(found))
    x = torch.randn(2, 3, 5)
    assert torch.equal(network(x), network(x))
    network.train()
    assert not torch.equal(network(x), network(x))
    modes = [node.args[6] for node in network.graph.nodes if operator_name(node) == "lstm"]
    assert modes == [True, True]
    network(x).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert torch.equal(network.eval()(x), network(x))


def test_last_states_have_the_shapes_that_the_network_runs_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch 2.11 leaves an axis too many on its stand-ins for them; here every version does."""
    steps: Any = torch._decomp.decompositions
    right = steps.one_layer_lstm

    def wrong(x: Tensor, first: Any, *args: Any, **kwargs: Any) -> Any:
        output, last = right(x, first, *args, **kwargs)
        return output, tuple(state if state.dim() > 2 else state.unsqueeze(0) for state in last)

    def run(self: Any, x: Tensor) -> Any:
        last = self.net(self.first(x))[1][0]
        return self.head(last[-1].reshape(last.shape[1], -1)), last.shape[2] * last

    monkeypatch.setattr(steps, "one_layer_lstm", wrong)
    model = Forward(run, first=nn.Linear(5, 5), net=nn.LSTM(5, 4, bidirectional=True, batch_first=True))
    model.head = nn.Linear(4, 2)
    found = trace(model.eval(), torch.randn(2, 3, 5))
    assert found.static_batch is None
    assert steps.one_layer_lstm is wrong
    for batch in (1, 3):
        check_equal(model, found, torch.randn(batch, 3, 5))


def half(blueprint: Blueprint) -> Selection:
    rng = np.random.default_rng(0)
    candidate = uniform(blueprint, 0.5)
    return Selection(candidate, {
        dim.name: [np.sort(rng.permutation(dim.size)[: candidate.dims[dim.name]])] for dim in blueprint.dims
    })  # fmt: skip


class Tagger(nn.Module):
    """Features of a sequence, a recurrent stack of any kind, and a label for each position."""

    def __init__(self, kind: Any, features: int, hidden: int, **options: Any) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv1d(3, features, 3, padding=1), nn.BatchNorm1d(features), nn.ReLU())
        self.net = kind(features, hidden, num_layers=2, batch_first=True, **options)
        out = options.get("proj_size") or hidden
        self.head = nn.Linear(out * (2 if options.get("bidirectional") else 1), 4)

    def forward(self, x: Tensor) -> Tensor:
        labels: Tensor = self.head(self.net(self.features(x).transpose(1, 2))[0])
        return labels


TAGGERS = [
    (nn.GRU, {}),
    (nn.GRU, {"bidirectional": True, "dropout": 0.2}),
    (nn.LSTM, {"bias": False}),
    (nn.LSTM, {"bidirectional": True}),
    (nn.RNN, {"bidirectional": True}),
    (nn.RNN, {"nonlinearity": "relu"}),
    (nn.LSTM, {"proj_size": 4}),
]


@pytest.mark.parametrize(("kind", "options"), TAGGERS)
def test_a_half_is_the_native_half(kind: Any, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = Tagger(kind, 8, 12, **options).eval()
    found = comb(model, torch.randn(2, 3, 5))
    selection = half(found)
    network = cut(found, selection)
    if "proj_size" in options:
        options = {**options, "proj_size": 2}
    twin = Tagger(kind, 4, 6, **options).eval()
    # An exported graph does not count batches.
    twin.load_state_dict(network.state_dict() | {"features.1.num_batches_tracked": torch.tensor(0)})
    x = torch.randn(3, 3, 7)[:, :, :5]
    torch.testing.assert_close(network(x), twin(x), rtol=1e-5, atol=1e-6)
    for proof in (permutation(found, np.random.default_rng(1)), silenced(found, selection, np.random.default_rng(2))):
        assert proof.passed
        assert proof.exact


def test_layers_of_a_stack_have_widths_of_their_own() -> None:
    model = Forward(lambda self, x: self.head(self.net(x)[1][-1]), net=nn.GRU(5, 6, 2), head=nn.Linear(6, 2))
    found = comb(model, torch.randn(4, 3, 5))
    widths = {"net.weight_ih_l0:0.1": 2, "net.weight_ih_l1:0.1": 5}
    keep = {name: [range(width)] for name, width in widths.items()}
    network: Subnet = cut(found, Selection(assemble(found, widths), keep))
    shapes = {name: tuple(value.shape) for name, value in network.named_parameters()}
    assert (shapes["net.weight_hh_l0"], shapes["net.weight_ih_l1"]) == ((6, 2), (15, 2))
    assert network(torch.randn(4, 3, 5)).shape == (3, 2)


def test_a_projection_never_becomes_as_wide_as_its_hidden_units() -> None:
    model = Tagger(nn.LSTM, 4, 6, proj_size=5).eval()
    found = comb(model, torch.randn(2, 3, 5))
    least = {dim.name: dim.least for dim in found.dims if dim.name.startswith("net.")}
    assert least == {
        "net.weight_ih_l0:0.1": 6,
        "net.weight_hh_l0:1": 1,
        "net.weight_ih_l1:0.1": 6,
        "net.weight_hh_l1:1": 1,
    }


def test_a_recurrent_residual_branch_can_be_removed() -> None:
    def run(self: Any, x: Tensor) -> Tensor:
        y = self.before(x)
        out: Tensor = self.after(y + self.net(y)[0])
        return out

    parts = {"before": nn.Linear(5, 6), "net": nn.GRU(6, 6, batch_first=True), "after": nn.Linear(6, 2)}
    model = Forward(run, **parts).eval()
    found = comb(model, torch.randn(2, 4, 5))
    (block,) = found.blocks
    assert "net.weight_hh_l0" in block.parameters
    without = assemble(found, {dim.name: dim.size for dim in found.dims}, [block.name])
    network = cut(found, Selection(without, {name: [range(width)] for name, width in without.dims.items()}))
    assert not [name for name, _ in network.named_parameters() if name.startswith("net")]
    x = torch.randn(2, 4, 5)
    torch.testing.assert_close(network(x), parts["after"](parts["before"](x)))
