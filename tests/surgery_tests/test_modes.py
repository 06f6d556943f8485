"""What follows the mode in the user's network follows it in the cut one, and nothing else does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from search.graph import comb, uniform
from search.importance import select
from search.surgery import Subnet, cut, from_bytes, recalibrate, to_bytes

X = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Three convolutions with something after the first."""

    def __init__(self, between: Callable[[Any, torch.Tensor], torch.Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)
        self.between = between
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(torch.relu(self.b(self.between(self, self.a(x)))))  # type: ignore[no-any-return]


class Always(nn.Dropout):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return F.dropout(input, self.p, True)


class Keeps(Net):
    """Keeps the statistics of its normalisation, as detectors do."""

    def train(self, mode: bool = True) -> Keeps:
        super().train(mode)
        self.get_submodule("norm").eval()
        return self


def half(model: nn.Module) -> Subnet:
    blueprint = comb(model, X[:1])
    return cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))


def is_random(model: nn.Module) -> bool:
    with torch.no_grad():
        return not torch.equal(model(X), model(X))


def attention(_: Any, x: torch.Tensor, rate: float) -> torch.Tensor:
    flat = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(flat, flat, flat, dropout_p=rate).transpose(1, 2).reshape(-1, 8, 6, 6)


BETWEEN: dict[str, tuple[Callable[..., torch.Tensor], Callable[[], dict[str, nn.Module]]]] = {
    "layer": (lambda self, x: self.f(x), lambda: {"f": nn.Dropout(0.5)}),
    "layer of channels": (lambda self, x: self.f(x), lambda: {"f": nn.Dropout2d(0.5)}),
    "layer of another rate": (lambda self, x: self.f(x), lambda: {"f": nn.AlphaDropout(0.9)}),
    "random leaky": (lambda self, x: self.f(x), lambda: {"f": nn.RReLU()}),
    "always by the layer": (lambda self, x: self.f(x), lambda: {"f": Always(0.5)}),
    "follows": (lambda self, x: F.dropout(x, 0.5, self.training), dict),
    "always": (lambda self, x: F.dropout(x, 0.5, training=True), dict),
    "never": (lambda self, x: F.dropout(x, 0.5, training=False), dict),
    "in place": (lambda self, x: F.dropout(x * 2, 0.5, self.training, inplace=True), dict),
    "both": (lambda self, x: F.dropout2d(F.dropout(x, 0.5, True), 0.5, self.training), dict),
    "of one line": (lambda self, x: F.dropout(F.dropout(x, 0.5, False), 0.5, self.training), dict),
    "rate": (lambda self, x: F.dropout(x, 0.5 if self.training else 0.0), dict),
    "attention": (lambda self, x: attention(self, x, 0.5 if self.training else 0.0), dict),
    "attention, always": (lambda self, x: attention(self, x, 0.5), dict),
    "attention, never": (lambda self, x: attention(self, x, 0.0), dict),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_randomness_is_the_users(name: str) -> None:
    forward, modules = BETWEEN[name]
    model = Net(forward, **modules())
    expected = is_random(model.eval()), is_random(model.train())
    subnet = half(model)
    for network in (subnet, copy.deepcopy(subnet), from_bytes(*to_bytes(subnet).values()), half(subnet)):
        for _ in range(2):
            assert (is_random(network.eval()), is_random(network.train())) == expected


def test_a_layer_whose_rate_was_changed_has_that_rate() -> None:
    model = Net(lambda self, x: self.f(x), f=nn.Dropout(0.1))
    model.f.p = 0.9  # type: ignore[union-attr]
    subnet = half(model).train()
    (node,) = (node for node in subnet.graph.nodes if "dropout" in str(node.target))
    assert node.args[1:] == (0.9, True)


def test_a_network_that_does_not_export_in_training_says_what_is_presumed() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        if self.training and x.sum() > 0:
            x = x + 1
        return F.dropout(x, 0.5, self.training)

    blueprint = comb(Net(forward), X[:1])
    (note,) = (note for note in blueprint.trace.notes if "does not export in training mode" in note)
    assert "dropout (" in note
    assert "F.dropout(x, 0.5, self.training)" in note
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    assert not is_random(subnet)
    assert is_random(subnet.train())


# ---- normalisations --------------------------------------------------------------------------------------------------


def norm() -> nn.BatchNorm2d:
    found = nn.BatchNorm2d(8)
    for statistics, low in ((found.running_mean, -1.0), (found.running_var, 0.5)):
        assert statistics is not None
        statistics.uniform_(low, 2)
    return found


def test_a_normalisation_that_keeps_its_statistics_keeps_them() -> None:
    model = Keeps(lambda self, x: self.norm(x), norm=norm())
    blueprint = comb(model, X[:1])
    assert any("norm keeps its statistics in training" in note for note in blueprint.trace.notes)
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    for network in (subnet, from_bytes(*to_bytes(subnet).values()), half(subnet)):
        before = {name: value.clone() for name, value in network.named_buffers()}
        evaluated = network.eval()(X)
        recalibrate(network, X)
        assert torch.equal(network.train()(X), evaluated)
        assert before
        assert all(torch.equal(before[name], value) for name, value in network.named_buffers())


def test_a_normalisation_that_learns_learns_and_is_calibrated() -> None:
    subnet = half(Net(lambda self, x: self.norm(x), norm=norm()))
    before = {name: value.clone() for name, value in subnet.named_buffers()}
    recalibrate(subnet, X)
    assert any(not torch.equal(before[name], value) for name, value in subnet.named_buffers())
    after = {name: value.clone() for name, value in subnet.named_buffers()}
    subnet.train()(2 * X + 1)
    assert any(not torch.equal(after[name], value) for name, value in subnet.named_buffers())


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: self.norm(x),
        lambda _, x: F.batch_norm(x, None, None, training=True),
        lambda _, x: F.batch_norm(x, torch.zeros(8), torch.ones(8), training=False),
        lambda self, x: F.batch_norm(x, torch.zeros(8), torch.ones(8), training=self.training),
    ],
    ids=["without statistics", "of the batch", "of constants", "of constants by mode"],
)
def test_statistics_of_the_batch_are_the_batchs_in_both_modes(forward: Any) -> None:
    model = Net(forward, norm=nn.BatchNorm2d(8, track_running_stats=False))
    blueprint = comb(model, X[:1])
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.01)))
    for mode in (True, False):
        assert torch.allclose(subnet.train(mode)(X), model.train(mode)(X), atol=1e-5)


def test_stored_statistics_that_training_neither_reads_nor_moves_stay() -> None:
    model = Net(lambda self, x: self.norm(x), norm=norm())
    model.norm.track_running_stats = False  # type: ignore[union-attr]
    subnet = half(model)
    before = {name: value.clone() for name, value in subnet.named_buffers()}
    assert not torch.allclose(subnet.train()(X), subnet.eval()(X))
    subnet.train()(X)
    assert all(torch.equal(before[name], value) for name, value in subnet.named_buffers())


# ---- parameters that are not trained ---------------------------------------------------------------------------------


def test_parameters_that_are_not_trained_are_not() -> None:
    model = Net(lambda self, x: self.norm(x), norm=norm())
    for parameter in model.norm.parameters():  # type: ignore[union-attr]
        parameter.requires_grad_(False)
    blueprint = comb(model, X[:1])
    (note,) = (note for note in blueprint.trace.notes if "requires_grad=False" in note)
    assert note.startswith("2 of 8 parameters (norm.weight, norm.bias)")
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    twins = (subnet, copy.deepcopy(subnet), subnet.float(), from_bytes(*to_bytes(subnet).values()), half(subnet))
    for network in twins:
        trained = {name for name, value in network.named_parameters() if value.requires_grad}
        assert trained == {f"{layer}.{kind}" for layer in "abc" for kind in ("weight", "bias")}
