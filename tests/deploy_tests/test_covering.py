"""The design of a table: few networks, many cells, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from search.bench import covering, smallest, telling
from search.graph import Blueprint, Candidate, assemble, full
from search.graph.pieces import pieces
from search.space import WidthKnob, knobs_of, thinned
from tests.stairs import staircases

from .networks import blueprint_of


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    return blueprint_of("residual")


@pytest.fixture(scope="module")
def widths(blueprint: Blueprint) -> tuple[WidthKnob, ...]:
    return knobs_of(blueprint, staircases(blueprint, 2))[0]


def cells(blueprint: Blueprint, candidates: list[Candidate]) -> int:
    return len({(key.family, key.widths) for c in candidates for key in pieces(blueprint, c).values()})


def at_random(blueprint: Blueprint, widths: tuple[WidthKnob, ...], count: int, seed: int) -> list[Candidate]:
    rng = np.random.default_rng(seed)
    found: dict[Candidate, None] = {}
    while len(found) < count:
        removed = [block.name for block in blueprint.blocks if rng.random() < 0.15]
        found[assemble(blueprint, {k.dim: int(rng.choice(thinned(k.levels))) for k in widths}, removed)] = None
    return list(found)


@pytest.mark.parametrize("count", [5, 15])
def test_it_covers_more_cells_than_random_draws(
    blueprint: Blueprint, widths: tuple[WidthKnob, ...], count: int
) -> None:
    chosen = cells(blueprint, covering(blueprint, widths, count, np.random.default_rng(0)))
    random = [cells(blueprint, at_random(blueprint, widths, count, seed)) for seed in range(8)]
    assert chosen >= max(random)
    assert chosen > np.mean(random)


def test_it_is_the_same_every_time(blueprint: Blueprint, widths: tuple[WidthKnob, ...]) -> None:
    first, second, other = (covering(blueprint, widths, 8, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == second != other
    assert covering(blueprint, widths, 5, np.random.default_rng(3)) == first[:5], "a longer design begins as a shorter"


def test_all_are_different_and_on_offer(blueprint: Blueprint, widths: tuple[WidthKnob, ...]) -> None:
    chosen = covering(blueprint, widths, 20, np.random.default_rng(0))
    assert len(set(chosen)) == len(chosen) == 20
    offers = {knob.dim: thinned(knob.levels) for knob in widths}
    for candidate in chosen:
        blueprint.check(candidate)
        assert all(width in offers[dim] for dim, width in candidate.dims.items())


def test_a_space_with_fewer_networks_than_wanted_gives_them_all(blueprint: Blueprint) -> None:
    fixed = tuple(WidthKnob(dim.name, (dim.size,)) for dim in blueprint.dims)
    chosen = covering(blueprint, fixed, 1000, np.random.default_rng(0))
    assert full(blueprint) in chosen
    assert len(chosen) <= 2 ** len(blueprint.blocks)


def test_the_smallest_has_nothing_that_can_go(blueprint: Blueprint, widths: tuple[WidthKnob, ...]) -> None:
    least = smallest(blueprint, widths)
    assert least.removed == {block.name for block in blueprint.blocks}
    levels = {knob.dim: knob.levels[0] for knob in widths}
    assert all(width == levels[dim] for dim, width in least.dims.items())


def test_few_tell_most_and_are_the_same_every_time(blueprint: Blueprint, widths: tuple[WidthKnob, ...]) -> None:
    first, second, other = (telling(blueprint, widths, 8, 16, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == second != other
    assert telling(blueprint, widths, 5, 16, np.random.default_rng(3)) == first[:5], "a longer design begins as shorter"
    assert not {full(blueprint), smallest(blueprint, widths)} & set(first), "timed in any case"
    assert len(set(first)) == 8
    offers = {knob.dim: knob.levels for knob in widths}
    for candidate in first:
        blueprint.check(candidate)
        assert all(width in offers[dim] for dim, width in candidate.dims.items())
