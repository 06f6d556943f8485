"""A cut network computes what a natively smaller one with the same weights computes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch

import search
from search.graph import assemble
from search.importance import Scores, score
from tests.twins import HEAD_SIZE, SMALL, Cut, Network, native_twin, randomise, with_whole_heads

TOLERANCE = 1e-9
"""Largest difference in float64, relative to the largest output, at which two networks are one."""

BRANCHES = {"resnet": 6, "resnet-bottleneck": 5, "mobilenet-v2": 3, "convnext": 5, "deit": 4, "swin": 10}
"""Residual branches of each network; the others have none."""

WITH_HEADS = [name for name in SMALL if name in ("deit", "swin")]

each = pytest.mark.parametrize("name", SMALL)


@dataclass(frozen=True)
class Whole:
    network: Network
    blueprint: search.Blueprint
    scores: Scores
    x: torch.Tensor


@cache
def whole(name: str) -> Whole:
    """Comb each network once: nothing below changes it."""
    family = SMALL[name]
    torch.manual_seed(0)
    network = family.make()
    randomise(network).eval()
    blueprint = search.comb(network, torch.zeros(1, 3, family.image, family.image))
    x = torch.randn(3, 3, family.image, family.image, dtype=torch.float64)
    return Whole(network, blueprint, score(blueprint), x)


def cut_and_twin(found: Whole, candidate: search.Candidate) -> tuple[search.Subnet, Network]:
    """Return the cut network and its twin, in float64, after comparing what they hold and compute."""
    subnet = search.cut(found.blueprint, search.select(found.blueprint, candidate, found.scores)).double()
    twin = native_twin(found.network, Cut(subnet.state_dict(), candidate.dims))
    shapes = [{n: tuple(p.shape) for n, p in network.named_parameters()} for network in (subnet, twin)]
    assert shapes[0] == shapes[1]
    with torch.no_grad():
        got, expected = subnet(found.x), twin(found.x)
    assert got.shape == expected.shape
    assert float((got - expected).abs().max()) <= TOLERANCE * float(expected.abs().max())
    return subnet, twin


@each
def test_half_of_every_width_is_the_native_twin(name: str) -> None:
    found = whole(name)
    candidate = with_whole_heads(found.blueprint, search.uniform(found.blueprint, 0.5))
    _, twin = cut_and_twin(found, candidate)
    # Nothing but the width of the output stays: a width that could not be cut would make the two agree too easily.
    before = dict(found.network.named_parameters())
    same = [n for n, p in twin.named_parameters() if p.numel() >= before[n].numel()]
    assert same == [n for n in before if n in ("head.bias", "head.1.bias")]


@each
@pytest.mark.parametrize("seed", range(6))
def test_random_candidates_are_their_native_twins(name: str, seed: int) -> None:
    """Widths differ from layer to layer, and blocks are removed."""
    found = whole(name)
    drawn = search.sample(found.blueprint, np.random.default_rng(seed))
    cut_and_twin(found, with_whole_heads(found.blueprint, drawn))


@pytest.mark.parametrize("name", BRANCHES)
def test_every_branch_can_be_removed(name: str) -> None:
    blueprint = whole(name).blueprint
    blocks = [block.name for block in blueprint.blocks]
    assert blueprint.not_removable == ()
    assert len(blocks) == BRANCHES[name]
    for removed in (blocks, blocks[::2], blocks[1::2]):
        cut_and_twin(whole(name), assemble(blueprint, search.full(blueprint).dims, removed))


@pytest.mark.parametrize("name", WITH_HEADS)
def test_smaller_heads_keep_the_scale(name: str) -> None:
    """A twin of the same class has smaller heads too, where it is told the unpruned network's scale."""
    found = whole(name)
    sizes = [dim.name for dim in found.blueprint.dims if dim.name.endswith(HEAD_SIZE)]
    assert len(sizes) == sum(name.endswith("qkv.weight") for name, _ in found.network.named_parameters())
    halves = {dim.name: -(-dim.size // 2) for dim in found.blueprint.dims}
    cut_and_twin(found, assemble(found.blueprint, halves))
    for seed in range(3):
        cut_and_twin(found, search.sample(found.blueprint, np.random.default_rng(seed)))


@each
def test_every_operator_has_a_rule(name: str) -> None:
    assert whole(name).blueprint.unknown == {}


@each
def test_the_permutation_proof_holds(name: str) -> None:
    proof = search.permutation(whole(name).blueprint, np.random.default_rng(0))
    assert proof.scale > 0
    assert proof.passed, proof


@each
def test_twins_learn_alike(name: str) -> None:
    """In train mode too, gradients and moved statistics are the twin's."""
    found = whole(name)
    subnet, twin = cut_and_twin(found, with_whole_heads(found.blueprint, search.uniform(found.blueprint, 0.5)))
    for network in (subnet, twin):
        network.train()
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    for node in subnet.graph.nodes:
        if "dropout" in node.name:
            node.update_arg(1, 0.0)
    subnet.recompile()
    for network in (subnet, twin):
        network(found.x).square().mean().backward()
    gradients = {n: p.grad for n, p in twin.named_parameters()}
    largest = max(float(g.abs().max()) for g in gradients.values() if g is not None)
    for n, p in subnet.named_parameters():
        other = gradients[n]
        assert p.grad is not None
        assert other is not None
        assert float((p.grad - other).abs().max()) <= TOLERANCE * largest, n
    moved = dict(twin.named_buffers())
    assert all(torch.allclose(b, moved[n], rtol=1e-9) for n, b in subnet.named_buffers())
