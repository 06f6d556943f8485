"""What a graph becomes under structure choices, and that all who ask are told the same."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from search.bench.slicing import OnnxSlicer
from search.graph import Blueprint, Candidate, Choices, assemble, comb, edited, full
from search.graph.pieces import piece_nodes, piece_specs, pieces
from search.graph.remembered import MOST, remembered
from search.importance import select
from search.surgery import Subnet, cut
from tests.networks import EXAMPLE, residual
from tests.twins import SMALL

WITH_BLOCKS = ("resnet", "resnet-bottleneck", "mobilenet-v2", "convnext", "deit", "swin")

each = pytest.mark.parametrize("name", WITH_BLOCKS)


@cache
def twin(name: str) -> Blueprint:
    torch.manual_seed(0)
    return comb(SMALL[name].make().eval(), torch.zeros(1, 3, SMALL[name].image, SMALL[name].image))


def candidates(blueprint: Blueprint) -> Iterator[Candidate]:
    """Yield the network with all blocks, without each, without all, and without some."""
    names = [block.name for block in blueprint.blocks]
    rng = np.random.default_rng(0)
    some = [[name for name in names if rng.random() < 0.5] for _ in range(4)]
    for removed in ([], *([name] for name in names), names, *some):
        yield assemble(blueprint, full(blueprint).dims, removed)


def without(blueprint: Blueprint, candidate: Candidate) -> Subnet:
    return cut(blueprint, select(blueprint, candidate))


def written(blueprint: Blueprint) -> frozenset[str]:
    """Return the calls that no cut network has, for it names the sizes that these compute."""
    return edited(blueprint, Choices()).live - {node.name for node in without(blueprint, full(blueprint)).graph.nodes}


@each
def test_a_cut_network_has_just_the_edited_graph(name: str) -> None:
    blueprint = twin(name)
    before = {node.name: [source.name for source in node.all_input_nodes] for node in blueprint.graph.nodes}
    sizes = written(blueprint)
    assert sizes.isdisjoint(blueprint.axes)
    for candidate in candidates(blueprint):
        edit, network = edited(blueprint, candidate.choices), without(blueprint, candidate)
        reads = {node.name: [source.name for source in node.all_input_nodes] for node in network.graph.nodes}
        assert reads.keys() == edit.live - sizes
        for node, sources in reads.items():
            expected = [edit.replaced.get(source, source) for source in before[node] if source in blueprint.axes]
            assert [source for source in sources if source in blueprint.axes] == list(dict.fromkeys(expected))
        assert set(network.state_dict()) == edit.read
        carried = {dim.name for dim in blueprint.dims if any(name in edit.read for name, _ in dim.carriers)}
        assert carried == {dim.name for dim in blueprint.dims} - edit.hidden == set(candidate.dims)


@each
def test_prices_are_of_the_units_of_the_edited_graph(name: str) -> None:
    blueprint = twin(name)
    whole, sizes = piece_specs(blueprint), written(blueprint)
    for candidate in candidates(blueprint):
        live = {node.name for node in without(blueprint, candidate).graph.nodes}
        specs = piece_specs(blueprint, candidate.choices)
        assert specs == tuple(spec for spec in whole if spec.node in live)
        assert list(pieces(blueprint, candidate)) == [spec.name for spec in specs]
        calls = {node.name for node in blueprint.graph.nodes if node.op == "call_function"} & live
        owner = piece_nodes(blueprint, candidate.choices)
        assert owner.keys() - edited(blueprint, candidate.choices).replaced.keys() - sizes == calls
        assert set(owner.values()) == {spec.node for spec in specs}


@pytest.mark.parametrize("name", ["resnet", "mobilenet-v2"])
def test_sliced_files_hold_the_units_of_the_edited_graph(name: str) -> None:
    blueprint = twin(name)
    slicer = OnnxSlicer(blueprint, batch=1)
    for candidate in candidates(blueprint):
        assert slicer.nodes(candidate).keys() == {spec.node for spec in piece_specs(blueprint, candidate.choices)}


@each
def test_a_block_alone_takes_what_it_says(name: str) -> None:
    blueprint = twin(name)
    whole = edited(blueprint, Choices())
    assert (dict(whole.replaced), whole.hidden) == ({}, frozenset())
    for block in blueprint.blocks:
        edit = edited(blueprint, Choices.without(block.name))
        assert dict(edit.replaced) == {block.addition: block.stays}
        assert whole.read - edit.read == set(block.parameters)
        assert edit.hidden == set(block.hides)


class InTurn(nn.Module):
    """Two blocks that follow each other directly: what stays of the second is the addition of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, 6), nn.Linear(6, 2)
        self.branches = nn.ModuleList([nn.Sequential(nn.Linear(6, 6), nn.ReLU()) for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for branch in self.branches:
            x = x + branch(x)
        out: torch.Tensor = self.head(x)
        return out


def test_what_is_read_instead_is_itself_not_replaced() -> None:
    blueprint = comb(InTurn().eval(), torch.zeros(1, 4))
    first, second, third = blueprint.blocks
    assert (second.stays, third.stays) == (first.addition, second.addition)
    both = edited(blueprint, Choices.without(first.name, second.name))
    assert dict(both.replaced) == dict.fromkeys([first.addition, second.addition], first.stays)
    assert {first.addition, second.addition}.isdisjoint(both.live)
    ends = edited(blueprint, Choices.without(first.name, third.name))
    assert dict(ends.replaced) == {first.addition: first.stays, third.addition: second.addition}


def test_a_choice_for_a_block_that_a_network_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"these are none: \['nowhere'\]"):
        edited(comb(residual(), EXAMPLE), Choices.without("nowhere"))


# ---- remembered ------------------------------------------------------------------------------------------------------


class Anything:
    """Stands for a blueprint."""


def test_an_answer_is_worked_out_once_for_each_blueprint_and_choice() -> None:
    asked: list[int] = []

    @remembered
    def answer(_: Anything, choices: int) -> list[int]:
        asked.append(choices)
        return [choices]

    one, other = Anything(), Anything()
    assert answer(one, 1) is answer(one, 1)
    assert answer(one, 1) is not answer(other, 1)
    assert asked == [1, 1]


def test_the_latest_answers_are_kept() -> None:
    asked: list[int] = []

    @remembered
    def answer(_: Anything, choices: int) -> None:
        asked.append(choices)

    one = Anything()
    for choices in range(MOST):
        answer(one, choices)
        answer(one, 0)
    answer(one, MOST)
    asked.clear()
    for choices in (0, MOST, 2):
        answer(one, choices)
    assert asked == []
    answer(one, 1)
    assert asked == [1]


def test_a_blueprint_is_freed_with_its_answers() -> None:
    blueprint = comb(residual(), EXAMPLE)
    assert pieces(blueprint, full(blueprint))
    assert piece_nodes(blueprint, Choices.without("blocks.0"))
    seen = weakref.ref(blueprint)
    del blueprint
    gc.collect()
    assert seen() is None
