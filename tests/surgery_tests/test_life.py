"""What a user does with a cut network: train, copy, move, cut again, export, store; each on networks of many kinds."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from search.deploy import export, exported, write_pt2
from search.graph import Blueprint, Selection, comb, uniform
from search.importance import select
from search.surgery import Subnet, cut, from_bytes, permutation, reloaded, silenced, to_bytes
from tests.language import language, tokens
from tests.networks import EXAMPLE, residual
from tests.programs import opened
from tests.reloading import let_reload_here
from tests.twins import SMALL, randomise


def _twin(name: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    family = SMALL[name]
    return randomise(family.make()).eval(), torch.zeros(1, 3, family.image, family.image)


NETWORKS: dict[str, Callable[[], tuple[nn.Module, torch.Tensor]]] = {
    "residual": lambda: (residual(), EXAMPLE),
    "rotary-gqa": lambda: (language("rotary", "gqa"), tokens()),
    "rotary-repeat": lambda: (language("rotary", "repeat"), tokens()),
    "learned-gqa": lambda: (language("learned", "gqa"), tokens()),
    "learned-repeat": lambda: (language("learned", "repeat"), tokens()),
    **{
        name: lambda name=name: _twin(name)  # type: ignore[misc]
        for name in ("resnet", "mobilenet-v2", "convnext", "deit", "swin", "unet")
    },
}
"""Name -> a network in eval mode, and its input."""

QUICK = ("residual", "rotary-gqa")
FILES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NETWORKS]
"""Writing and reading files takes seconds each; for most networks that is for the slow tests."""

each = pytest.mark.parametrize("name", NETWORKS)


@dataclass(frozen=True)
class Cut:
    """One cut of three in a row: the network before is the one that `blueprint` was combed from."""

    blueprint: Blueprint
    selection: Selection
    subnet: Subnet


@cache
def cuts(name: str) -> tuple[Cut, ...]:
    """Cut a quarter of every width, three times in a row; nothing below changes what comes back."""
    network, x = NETWORKS[name]()
    found: list[Cut] = []
    for _ in range(3):
        blueprint = comb(network, x)
        selection = select(blueprint, uniform(blueprint, 0.25))
        found.append(Cut(blueprint, selection, cut(blueprint, selection)))
        network = found[-1].subnet
    return tuple(found)


def last(name: str) -> Subnet:
    return copy.deepcopy(cuts(name)[-1].subnet)


def batch_of(name: str, size: int = 3) -> torch.Tensor:
    x = cuts(name)[0].blueprint.trace.example[0]
    generator = torch.Generator().manual_seed(1)
    if x.is_floating_point():
        return torch.randn(size, *x.shape[1:], generator=generator)
    return torch.randint(0, int(x.max()) + 1, (size, *x.shape[1:]), generator=generator)


@each
def test_three_cuts_in_a_row_are_each_proven(name: str) -> None:
    rng = np.random.default_rng(0)
    sizes = []
    for step in cuts(name):
        proof = permutation(step.blueprint, rng)
        assert proof.passed, proof
        proof = silenced(step.blueprint, step.selection, rng)
        assert proof.passed, proof
        sizes.append(sum(parameter.numel() for parameter in step.subnet.parameters()))
        with torch.no_grad():
            assert step.subnet(batch_of(name)).isfinite().all()
    whole = sum(parameter.numel() for parameter in NETWORKS[name]()[0].parameters())
    assert whole > sizes[0] > sizes[1] > sizes[2]


@each
def test_tensors_keep_the_names_that_they_have_in_the_users_network(name: str) -> None:
    """So a trained subnet's state dict can be held against the user's, tensor by tensor."""
    network, subnet = NETWORKS[name]()[0], last(name)
    users = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    assert set(subnet.state_dict()) <= set(users)
    assert {n for n, _ in subnet.named_parameters()} == {n for n, _ in network.named_parameters()}
    assert all(value.dim() == users[n].dim() for n, value in subnet.state_dict().items())


@each
def test_it_learns_in_training_mode_and_is_still_in_evaluation(name: str) -> None:
    subnet, x = last(name), batch_of(name, 6)
    buffers = {n: value.clone() for n, value in subnet.named_buffers() if n.endswith("running_mean")}
    before = subnet(x)
    assert torch.equal(subnet(x), before)
    optimiser = torch.optim.SGD(subnet.train().parameters(), lr=1e-3)
    subnet(x).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in subnet.parameters())
    optimiser.step()
    assert all(not torch.equal(dict(subnet.named_buffers())[n], value) for n, value in buffers.items())
    after = subnet.eval()(x)
    assert torch.equal(subnet(x), after)
    assert not torch.equal(before, after)
    assert not subnet.training


def test_dropout_drops_in_training_mode_only() -> None:
    subnet, x = last("residual"), batch_of("residual", 64)
    assert torch.equal(subnet(x), subnet(x))
    subnet.train()
    for node in subnet.graph.nodes:
        if "batch_norm" in str(node.target):
            node.update_arg(5, False)
    subnet.recompile()
    assert not torch.equal(subnet(x), subnet(x))


@each
def test_it_is_copied_and_changes_its_type_and_device(name: str) -> None:
    subnet, x = last(name), batch_of(name)
    twin = copy.deepcopy(subnet)
    with torch.no_grad():
        expected = subnet(x)
        assert torch.equal(twin(x), expected)
        narrow = twin.to(torch.bfloat16)(x.to(torch.bfloat16) if x.is_floating_point() else x)
        assert narrow.dtype == torch.bfloat16
        # Coarse, but no other network: bfloat16 has 8 bits, and errors add up from layer to layer.
        assert (narrow.float() - expected).abs().max() < 0.2 * expected.abs().max()
        assert torch.equal(subnet(x), expected), "a copy has tensors of its own"
        ghost = copy.deepcopy(subnet).to("meta")
        shape = ghost(x.to("meta"))
    assert (shape.device.type, shape.shape) == ("meta", expected.shape)


class Factories(nn.Module):
    """Calls that make tensors, each with the device as a literal."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 16), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.first(x)) + torch.arange(x.shape[1], device=x.device)[:, None]
        y = y + torch.zeros(1, device=x.device) + x.new_ones(1) + torch.full((1,), 2.0, device=x.device)
        out: torch.Tensor = self.second(y.to(x.device))
        return out


def test_calls_that_make_tensors_follow_the_network_to_its_device() -> None:
    blueprint = comb(Factories().eval(), torch.zeros(2, 5, 6))
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    x = torch.randn(2, 5, 6)
    expected = subnet(x)
    kept = copy.deepcopy(subnet)
    assert subnet.to("meta")(x.to("meta")).device.type == "meta"
    assert torch.equal(kept.to("cpu")(x), expected), "a move to where it is already changes nothing"


class Typed(nn.Module):
    """Calls that name a type: the user's `x.dtype` and a recurrent layer's first state are literals in the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.state, self.second = nn.Linear(6, 16), nn.GRU(16, 8, batch_first=True), nn.Linear(8, 4)
        self.middle = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.state(torch.relu(self.first(x)))
        y = self.middle(y.double().to(x.dtype)) + torch.zeros(1, dtype=x.dtype)
        out: torch.Tensor = self.second(y.softmax(-1, dtype=x.dtype))
        return out


def test_calls_that_name_a_type_follow_the_network_to_another() -> None:
    blueprint = comb(Typed().eval(), torch.zeros(2, 5, 6))
    subnet = cut(blueprint, select(blueprint, uniform(blueprint, 0.5)))
    x = torch.randn(2, 5, 6)
    expected = subnet(x)
    narrow = copy.deepcopy(subnet).to(torch.bfloat16)
    assert [value.dtype for value in narrow.example()] == [torch.bfloat16]
    assert narrow(x.to(torch.bfloat16)).dtype == torch.bfloat16
    wide = copy.deepcopy(subnet).double()
    assert torch.allclose(wide(x.double()).float(), expected, atol=1e-6)
    assert subnet.example()[0].dtype == torch.float32, "a copy has notes of its own"
    assert torch.equal(wide.float()(x), expected)


@pytest.mark.parametrize("name", FILES)
def test_files_hold_the_same_network(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name != "residual":
        let_reload_here(monkeypatch)
    subnet, traced, rng = last(name), cuts(name)[-1].blueprint.trace, np.random.default_rng(0)
    x = batch_of(name)
    for dynamic, batches in ((False, (1,)), (True, (1, 3))):
        export(subnet, tmp_path / "net.onnx", dynamic_batch=dynamic)
        proof = exported(subnet, tmp_path / "net.onnx", traced, rng, batches=batches)
        assert proof.passed, proof
    write_pt2(subnet, tmp_path / "net.pt2", traced.example, dynamic=True)
    with torch.no_grad():
        again = opened(tmp_path / "net.pt2").module()(x)
        assert torch.allclose(again, subnet(x), rtol=1e-5, atol=1e-5)
    for file, data in to_bytes(subnet).items():
        (tmp_path / file).write_bytes(data)
    proof = reloaded(subnet, tmp_path, traced, rng)
    assert proof.passed, proof


@pytest.mark.parametrize("name", ["rotary-gqa", "learned-repeat"])
def test_head_and_embedding_stay_one_parameter(name: str) -> None:
    """An optimiser would step twice otherwise, and the head would drift from the embedding."""
    for step in cuts(name):
        again = from_bytes(*to_bytes(step.subnet).values())
        for subnet in (copy.deepcopy(step.subnet), copy.deepcopy(again)):
            assert "head.weight" not in dict(subnet.named_parameters())
            weight, x = dict(subnet.named_parameters())["embedding.weight"], batch_of(name)
            # Both ends read it: only the rows of the tokens that are there come in, all of them go out.
            absent = next(token for token in range(len(weight)) if token not in x)
            before = subnet(x)
            with torch.no_grad():
                weight[absent] += 1.0
            after = subnet(x)
            changed = (after != before).any(0).any(0)
            assert changed.nonzero().flatten().tolist() == [absent]
            with torch.no_grad():
                weight[x[0, 0]] += 1.0
            assert (subnet(x) != after).any(0).any(0).sum() > 1


def test_heads_of_keys_are_cut_with_the_queries_that_share_them() -> None:
    state = cuts("rotary-gqa")[-1].subnet.state_dict()
    q, k, v = (state[f"layers.0.attention.{part}.weight"].shape[0] for part in ("q", "k", "v"))
    assert (q, k, v) == (2 * 2 * 8, 2 * 8, 2 * 8), "of four heads of keys, three stay, then two, then two"
