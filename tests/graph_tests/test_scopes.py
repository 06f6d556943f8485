"""Scopes put together the dims that a network uses alike, and miss or repeat none."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from search.graph import Blueprint, Scope, comb, pattern, scopes
from tests.doctor_tests.networks import Dense, Stages
from tests.twins.families import SMALL

IMAGE = torch.zeros(2, 3, 16, 16)


def named(found: tuple[Scope, ...]) -> dict[str, tuple[str, ...]]:
    return {scope.name: scope.dims for scope in found}


def check_partition(blueprint: Blueprint, found: tuple[Scope, ...]) -> None:
    assert Counter(name for scope in found for name in scope.dims) == Counter(dim.name for dim in blueprint.dims)
    assert len(named(found)) == len(found)


def test_a_residual_network_has_its_trunks_and_what_is_inside_its_blocks() -> None:
    assert named(scopes(comb(Stages(2, 3, 2), IMAGE))) == {
        "stem.0.weight:0": ("stem.0.weight:0",),
        "stages.*.*.conv1.weight:0": tuple(
            f"stages.{stage}.{block}.conv1.weight:0" for stage, depth in enumerate((2, 3, 2)) for block in range(depth)
        ),
        "stages.1.0.conv2.weight:0": ("stages.1.0.conv2.weight:0",),
        "stages.2.0.conv2.weight:0": ("stages.2.0.conv2.weight:0",),
    }


def test_trunks_of_equally_many_blocks_and_readers_are_one_scope() -> None:
    found = named(scopes(comb(Stages(1, 2, 2, 1), IMAGE)))
    assert found["stages.*.0.conv2.weight:0"] == ("stages.1.0.conv2.weight:0", "stages.2.0.conv2.weight:0")
    assert found["stages.3.0.conv2.weight:0"] == ("stages.3.0.conv2.weight:0",)


def test_a_transformer_has_four() -> None:
    blueprint = comb(SMALL["deit"].make(), torch.zeros(2, 3, 32, 32))
    found = named(scopes(blueprint))
    depth = len({dim.name for dim in blueprint.dims if dim.name.endswith("qkv.weight:0.1")})
    assert depth > 1
    for name in ("blocks.*.attn.qkv.weight:0.1", "blocks.*.attn.qkv.weight:0.2", "blocks.*.mlp.0.weight:0"):
        assert found.pop(name) == tuple(name.replace("*", str(block)) for block in range(depth))
    assert [len(dims) for dims in found.values()] == [1]


def test_many_scopes_are_put_together_by_stage() -> None:
    blueprint = comb(Dense(8), IMAGE)
    alike = scopes(blueprint, 100)
    check_partition(blueprint, alike)
    assert not any(scope.by_stage for scope in alike)
    found = scopes(blueprint, 5)
    check_partition(blueprint, found)
    assert all(scope.by_stage for scope in found)
    assert len(found) < len(alike)
    # What is concatenated is a trunk; what is between two convolutions is inside, at the extent where it is made.
    assert {frozenset(scope.dims) for scope in found} == {
        frozenset({"stem.weight:0", *(f"growth.{i}.weight:0" for i in range(8))}),
        frozenset({"down.weight:0", *(f"growth.{i}.weight:1" for i in range(8))}),
        frozenset({"tail.0.weight:0"}),
    }


def test_heads_and_their_inside_stay_apart_by_stage() -> None:
    found = scopes(comb(SMALL["deit"].make(), torch.zeros(2, 3, 32, 32)), 3)
    ends = [{name.rpartition("weight:")[2] for name in scope.dims} for scope in found]
    assert not any({"0.1", "0.2"} <= end for end in ends)


@settings(max_examples=8, deadline=None)
@given(depths=st.lists(st.integers(1, 3), min_size=1, max_size=3), most=st.integers(0, 12))
def test_scopes_are_a_partition_and_repeat_themselves(depths: list[int], most: int) -> None:
    blueprint = comb(Stages(*depths), IMAGE)
    found = scopes(blueprint, most)
    check_partition(blueprint, found)
    assert found == scopes(blueprint, most)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_scopes_are_a_partition_of_each_small_network(name: str) -> None:
    family = SMALL[name]
    blueprint = comb(family.make(), torch.zeros(2, 3, family.image, family.image))
    for most in (0, 24):
        check_partition(blueprint, scopes(blueprint, most))


def test_sizes_do_not_count_but_positions_in_products_do() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.third = nn.Linear(3, 12), nn.Linear(12, 20), nn.Linear(20, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.third(self.second(self.first(x)))
            return out

    assert [len(scope.dims) for scope in scopes(comb(Mixed(), torch.zeros(2, 3)))] == [2]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.b:0"], "a.b:0"),
        (["blocks.0.qkv.weight:0.1", "blocks.11.qkv.weight:0.1"], "blocks.*.qkv.weight:0.1"),
        (["layer1.0.conv2.w:0", "layer2.1.conv1.w:0"], "layer*.*.conv*.w:0"),
        (["fc.w:0", "fc1.w:0"], "fc*.w:0"),
        (["left.w:0", "right.w:0"], "*.w:0"),
        (["a.w:0", "a.w:1"], "a.w:*"),
        (["a.0.b.w:0", "a.w:0"], "a.*.w:0"),
        (["a.w:0", "a.a.w:0"], "a.*.w:0"),
        (["a", "b.c"], "*"),
        (["a:0", "b:1"], "*:*"),
    ],
)
def test_names_have_in_common(names: list[str], expected: str) -> None:
    assert pattern(names) == expected
