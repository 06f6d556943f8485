"""Weights that are computed from other parameters: a cut keeps the numbers that the unpruned network has."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

from search.graph import Blueprint, Candidate, Selection, comb, full, uniform
from search.importance import select
from search.surgery import Subnet, cut, from_bytes, original, permutation, silenced, to_bytes, trains

X = torch.randn(3, 3, 6, 6, generator=torch.Generator().manual_seed(0))

Wrap = Callable[[nn.Module], nn.Module]


class Net(nn.Module):
    """A residual network whose layers have been wrapped."""

    def __init__(self, wrap: Wrap) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = wrap(nn.Conv2d(3, 16, 3, padding=1)), wrap(nn.Conv2d(16, 24, 1))
        self.c, self.o = wrap(nn.Conv2d(24, 16, 3, padding=1)), wrap(nn.Linear(16, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.a(x)
        x = x + self.c(F.relu(self.b(x)))
        return self.o(x.mean((2, 3)))  # type: ignore[no-any-return]


class Normed(nn.Conv2d):
    """Standardises its weight, as networks without batch statistics do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = self.weight
        std, mean = w.std((1, 2, 3), keepdim=True), w.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, (w - mean) / (std + 1e-5), self.bias, padding=self.padding)


class Unit(nn.Module):
    def forward(self, w: torch.Tensor) -> torch.Tensor:
        norm: torch.Tensor = w.flatten(1).norm(dim=1)
        return w / norm.view(-1, *[1] * (w.dim() - 1))


def hooked(wrap: Callable[..., nn.Module]) -> Wrap:
    def apply(layer: nn.Module) -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return wrap(layer)

    return apply


def standardised(layer: nn.Module) -> nn.Module:
    if not isinstance(layer, nn.Conv2d):
        return layer
    kernel: Any = layer.kernel_size
    padding: Any = layer.padding
    return Normed(layer.in_channels, layer.out_channels, kernel, padding=padding)


WRAPS: dict[str, Wrap] = {
    "weight norm, hook": hooked(nn.utils.weight_norm),
    "weight norm of columns, hook": hooked(lambda layer: nn.utils.weight_norm(layer, dim=1)),
    "weight norm": parametrizations.weight_norm,
    "weight norm of the whole": lambda layer: parametrizations.weight_norm(layer, dim=None),  # type: ignore[arg-type]
    "spectral norm, hook": hooked(nn.utils.spectral_norm),
    "spectral norm": parametrizations.spectral_norm,
    "of the user's own": lambda layer: parametrize.register_parametrization(layer, "weight", Unit()) or layer,
    "standardised": standardised,
}
ROUNDS = 20
"""Runs in training, after which the vectors of a spectral norm have converged."""


def trained(wrap: Wrap, *, history: bool = True) -> Net:
    model = Net(wrap).train()
    with torch.set_grad_enabled(history):
        for _ in range(ROUNDS):
            model(X)
    return model


def half(blueprint: Blueprint) -> tuple[Selection, Subnet]:
    selection = select(blueprint, uniform(blueprint, 0.5))
    return selection, cut(blueprint, selection)


@pytest.mark.parametrize("name", WRAPS)
def test_what_stays_keeps_its_numbers(name: str) -> None:
    model = trained(WRAPS[name])
    model.eval()(X)
    with torch.no_grad():
        weights = {layer: getattr(model, layer).weight.detach().clone() for layer in "abco"}
        if name == "standardised":
            for layer in "abc":
                std, mean = torch.std_mean(weights[layer], (1, 2, 3), keepdim=True)
                weights[layer] = (weights[layer] - mean) / (std + 1e-5)
    blueprint, rng = comb(model, X[:1]), np.random.default_rng(0)
    assert len(blueprint.dims) == 2
    selection, subnet = half(blueprint)
    kept = {dim.name.partition(".")[0]: list(selection.keep[dim.name][0]) for dim in blueprint.dims}
    weight = dict(subnet.named_parameters())["b.weight"]
    assert torch.allclose(weight, weights["b"][kept["b"]][:, kept["a"]], atol=1e-6)
    for proof in (original(blueprint), permutation(blueprint, rng), silenced(blueprint, selection, rng)):
        assert proof.passed, proof
        assert proof.exact
    assert trains(blueprint, subnet).passed
    with torch.no_grad():
        assert torch.equal(from_bytes(*to_bytes(subnet).values())(X), subnet(X))
        assert torch.allclose(cut(blueprint, select(blueprint, full(blueprint)))(X), model.eval()(X), atol=1e-6)


@pytest.mark.parametrize("name", ["weight norm, hook", "weight norm", "spectral norm, hook", "spectral norm"])
def test_a_folded_weight_has_its_layers_name_and_the_user_is_told(name: str) -> None:
    blueprint = comb(trained(WRAPS[name]), X[:1])
    names = {name for name, _ in blueprint.trace.module.named_parameters()}
    assert names == {f"{layer}.{kind}" for layer in "abco" for kind in ("weight", "bias")}
    (note,) = blueprint.trace.notes
    assert note.startswith("a.weight, b.weight, c.weight, ... are 4 weights that the network computes from others")
    assert "dissolved" in note


@pytest.mark.parametrize("name", ["spectral norm, hook", "standardised"])
def test_a_norm_of_what_is_left_fails_its_proof(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("search.graph.comb"), "to_fold", lambda *_: [])
    blueprint = comb(trained(WRAPS[name]), X[:1])
    selection, _ = half(blueprint)
    proof = silenced(blueprint, selection, np.random.default_rng(0))
    assert proof.failed, proof


def test_a_model_whose_hook_left_a_history_is_copied() -> None:
    model = trained(WRAPS["spectral norm, hook"])
    assert not model.a.weight.is_leaf
    before = model.a.weight
    comb(model, X[:1])
    assert model.a.weight is before


@pytest.mark.parametrize("name", ["weight norm, hook", "weight norm", "spectral norm"])
def test_a_layer_that_is_called_twice_keeps_one_weight(name: str) -> None:
    class Twice(Net):
        d: nn.Module

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.a(x))
            return self.o((x + self.d(torch.relu(self.d(x)))).mean((2, 3)))  # type: ignore[no-any-return]

    model = Twice(WRAPS[name])
    model.d = WRAPS[name](nn.Conv2d(16, 16, 1))
    blueprint, rng = comb(model, X[:1]), np.random.default_rng(0)
    assert {n for n, _ in blueprint.trace.module.named_parameters()} == {
        f"{layer}.{kind}" for layer in "ado" for kind in ("weight", "bias")
    }
    selection, _ = half(blueprint)
    for proof in (original(blueprint), permutation(blueprint, rng), silenced(blueprint, selection, rng)):
        assert proof.passed, proof


# ---- what stays as it is ---------------------------------------------------------------------------------------------


class Own(nn.Module):
    """A network that computes a weight as it is told."""

    def __init__(self, weight: Callable[[Any], torch.Tensor], **parameters: torch.Tensor) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.o, self.weight = nn.Conv2d(3, 16, 1), nn.Conv2d(24, 4, 1), weight
        for name, value in parameters.items():
            setattr(self, name, nn.Parameter(value))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.o(torch.relu(F.conv2d(self.a(x), self.weight(self)[..., None, None])))  # type: ignore[no-any-return]


W = torch.randn(24, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "model",
    [
        Own(lambda m: m.w.t(), w=W.t().contiguous()),
        Own(lambda m: m.w[:24], w=torch.cat([W, W])),
        Own(lambda m: m.w * m.g[:, None], w=W, g=torch.rand(24)),
        Own(lambda m: m.w * m.g.exp(), w=W, g=torch.rand(16)),
        Own(lambda m: torch.cat([m.w, m.v]), w=W[:8], v=W[8:]),
        Own(lambda m: m.w + m.up @ m.down, w=W, up=torch.randn(24, 6), down=torch.randn(6, 16)),
    ],
    ids=["transposed", "a part", "scaled", "scaled by others", "joined", "of low rank"],
)
def test_what_acts_on_each_unit_alone_is_cut_as_it_is(model: nn.Module) -> None:
    blueprint, rng = comb(model, X[:1]), np.random.default_rng(0)
    assert blueprint.trace.notes == ()
    assert {n for n, _ in blueprint.trace.module.named_parameters()} == {n for n, _ in model.named_parameters()}
    selection, subnet = half(blueprint)
    for proof in (original(blueprint), permutation(blueprint, rng), silenced(blueprint, selection, rng)):
        assert proof.passed, proof
    assert trains(blueprint, subnet).passed


def test_the_rank_of_a_correction_is_cut_like_any_other_width() -> None:
    blueprint = comb(Own(lambda m: m.w + m.up @ m.down, w=W, up=W[:, :6].clone(), down=W[:6].clone()), X[:1])
    widths = {**full(blueprint).dims, "up:1": 3}
    selection = select(blueprint, Candidate(widths, full(blueprint).blocks))
    proof = silenced(blueprint, selection, np.random.default_rng(0))
    assert proof.passed, proof
    assert cut(blueprint, selection).up.shape == (24, 3)


def test_a_layer_that_the_user_keeps_is_not_folded() -> None:
    blueprint = comb(trained(WRAPS["weight norm, hook"]), X[:1], keep=["a"])
    names = {name for name, _ in blueprint.trace.module.named_parameters()}
    assert {"a.weight_g", "a.weight_v", "b.weight", "c.weight", "o.weight"} <= names


def test_a_folded_weight_is_trained_where_what_it_came_from_was() -> None:
    model = Net(parametrizations.weight_norm)
    for layer in (model.a, model.b):
        for parameter in layer.parameters():
            parameter.requires_grad_(False)
    _, subnet = half(comb(model, X[:1]))
    assert {name for name, value in subnet.named_parameters() if not value.requires_grad} == {
        f"{layer}.{kind}" for layer in "ab" for kind in ("weight", "bias")
    }


def test_a_weight_that_is_computed_from_buffers_alone_is_a_buffer() -> None:
    model = Net(parametrizations.weight_norm)
    for layer in (model.b, model.c):
        for part in layer.modules():
            for name, value in list(part._parameters.items()):
                if value is not None:
                    delattr(part, name)
                    part.register_buffer(name, value.detach())
    blueprint = comb(model, X[:1])
    assert "b.weight" in dict(blueprint.trace.module.named_buffers())
    assert original(blueprint).passed


def test_a_mask_on_a_weight_that_follows_the_mode_is_not_folded() -> None:
    def weight(model: Any) -> torch.Tensor:
        return F.dropout(model.w, 0.5, model.training)

    _, subnet = half(comb(Own(weight, w=W), X[:1]))
    with torch.no_grad():
        assert torch.equal(subnet(X), subnet(X))
        assert not torch.equal(subnet.train()(X), subnet(X))
