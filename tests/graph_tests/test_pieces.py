"""Each call belongs to one unit, and a unit's key says what its time depends on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from search.graph import Blueprint, Choices, assemble, comb, edited, full
from search.graph.pieces import piece_nodes, piece_specs, pieces
from tests.twins import SMALL


class Net(nn.Module):
    """Layers, and what is done with them."""

    table: torch.Tensor

    def __init__(self, run: Callable[[Net, torch.Tensor], torch.Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self._run = run
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.register_buffer("table", torch.randn(4, 6))

    def on(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Apply a layer."""
        out: torch.Tensor = self.get_submodule(name)(x)
        return out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._run(self, x)


def combed(net: nn.Module, *shape: int) -> Blueprint:
    return comb(net.eval(), torch.randn(shape))


def families(blueprint: Blueprint) -> dict[str, str]:
    return {spec.name: str(spec.family) for spec in piece_specs(blueprint)}


def twin(name: str) -> Blueprint:
    torch.manual_seed(0)
    return combed(SMALL[name].make(), 1, 3, SMALL[name].image, SMALL[name].image)


@pytest.mark.parametrize("name", ["deit", "unet"])
def test_every_call_belongs_to_one_unit(name: str) -> None:
    blueprint = twin(name)
    calls = {node.name for node in blueprint.graph.nodes if node.op == "call_function"}
    owner = piece_nodes(blueprint)
    assert set(owner) == calls
    assert set(owner.values()) == {spec.node for spec in piece_specs(blueprint)}
    for choices in (Choices.without(block.name) for block in blueprint.blocks):
        assert edited(blueprint, choices).live & calls <= set(piece_nodes(blueprint, choices))


def test_attention_is_a_unit_with_the_widths_of_queries_and_values() -> None:
    blueprint = twin("deit")
    name = "blocks.0.attn.attention"
    assert families(blueprint)[name] == "attention 1x4x17x6 1x4x17x6 1x4x17x6 1x4x17x6 +transpose"
    whole = full(blueprint)
    assert pieces(blueprint, whole)[name].widths == (24, 24)
    narrow = {dim.name: 3 if dim.size == 4 and "qkv" in dim.name else dim.size for dim in blueprint.dims}
    assert pieces(blueprint, assemble(blueprint, narrow))[name].widths == (18, 18)


def test_products_tell_their_operands_apart() -> None:
    def run(net: Net, x: torch.Tensor) -> torch.Tensor:
        y = net.on("first", x)
        return net.on("last", (y @ y.transpose(1, 2)).softmax(-1) @ y)

    blueprint = combed(Net(run, first=nn.Linear(6, 8), last=nn.Linear(8, 3)), 2, 5, 6)
    assert [spec.name for spec in piece_specs(blueprint)] == ["first", "matmul", "matmul#2", "last"]
    assert families(blueprint)["matmul"] == "matmul 1x5xw 1xwx5 1x5x5 +softmax"
    assert families(blueprint)["matmul#2"] == "matmul 1x5x5 1x5xw 1x5xw"
    keys = pieces(blueprint, full(blueprint))
    assert (keys["matmul"].widths, keys["matmul#2"].widths) == ((8, 1), (1, 8))


def test_a_mask_tells_attention_apart() -> None:
    def plain(net: Net, x: torch.Tensor) -> torch.Tensor:
        y = net.on("body", x)
        return net.on("head", nn.functional.scaled_dot_product_attention(y, y, y))

    def masked(net: Net, x: torch.Tensor) -> torch.Tensor:
        y = net.on("body", x)
        return net.on("head", nn.functional.scaled_dot_product_attention(y, y, y, torch.zeros(5, 5)))

    def causal(net: Net, x: torch.Tensor) -> torch.Tensor:
        y = net.on("body", x)
        return net.on("head", nn.functional.scaled_dot_product_attention(y, y, y, is_causal=True))

    layers = {"body": nn.Linear(6, 8), "head": nn.Linear(8, 2)}
    found = {run: families(combed(Net(run, **layers), 2, 3, 5, 6)) for run in (plain, masked, causal)}
    assert len({family["attention"] for family in found.values()}) == 3


def test_transposed_convolutions_begin_a_unit() -> None:
    def run(net: Net, x: torch.Tensor) -> torch.Tensor:
        return net.on("last", net.on("up", net.on("first", x)).relu())

    layers = {
        "first": nn.Conv2d(3, 8, 3, 1, 1),
        "up": nn.ConvTranspose2d(8, 12, 2, 2, groups=2),
        "last": nn.Conv2d(12, 2, 1),
    }
    blueprint = combed(Net(run, **layers), 1, 3, 8, 8)
    assert families(blueprint)["up"] == "conv_transpose2d k2x2 s2x2 grouped4 in8x8 out16x16 +relu"
    assert pieces(blueprint, full(blueprint))["up"].widths == (8, 12)


def test_what_depends_on_no_input_begins_no_unit() -> None:
    def run(net: Net, x: torch.Tensor) -> torch.Tensor:
        bias = net.on("small", net.table).mean(0)
        return net.on("head", net.on("body", x) + bias)

    layers = {"small": nn.Linear(6, 8), "body": nn.Linear(6, 8), "head": nn.Linear(8, 2)}
    blueprint = combed(Net(run, **layers), 1, 6)
    assert list(families(blueprint)) == ["body", "head"]
    calls = {node.name for node in blueprint.graph.nodes if node.op == "call_function"}
    assert set(piece_nodes(blueprint)) == calls


def test_a_weight_that_is_used_twice_makes_two_units() -> None:
    def run(net: Net, x: torch.Tensor) -> torch.Tensor:
        return net.on("head", net.on("body", net.on("body", net.on("stem", x)).relu()))

    layers = {"stem": nn.Linear(4, 6), "body": nn.Linear(6, 6), "head": nn.Linear(6, 2)}
    blueprint = combed(Net(run, **layers), 1, 4)
    assert list(families(blueprint)) == ["stem", "body", "body#2", "head"]


def test_embeddings_belong_to_the_first_unit() -> None:
    net = nn.Sequential(nn.Embedding(10, 6), nn.Linear(6, 4), nn.Linear(4, 2))
    blueprint = comb(net.eval(), torch.zeros(1, 5, dtype=torch.int64))
    assert families(blueprint) == {"1": "linear at5 +embedding", "2": "linear at5"}


def test_windows_tell_layers_apart() -> None:
    def windows(net: Net, x: torch.Tensor) -> torch.Tensor:
        return net.on("head", net.on("body", x.reshape(-1, 5, 6)))

    whole = {"body": nn.Linear(6, 8), "head": nn.Linear(8, 2)}
    first, second = (families(combed(Net(windows, **whole), 1, count, 5, 6))["body"] for count in (4, 9))
    assert first != second
