"""The space of a blueprint costs what the table says, and offers the widths that the runtime likes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import NullRuntime, Target
from latency_tables import PieceKey, Predictor, Store
from search.bench import Slicer
from search.bench.bench import Bench
from search.graph import Blueprint, Candidate, Choices, assemble, comb, edited, full
from search.graph.pieces import piece_specs, pieces
from search.space import SearchSpace, knobs_of, thinned, why_whole
from tests.deploy_tests.networks import blueprint_of
from tests.networks import EXAMPLE, residual
from tests.stairs import staircases

Prepared = tuple[Blueprint, Predictor, SearchSpace, Slicer]


@pytest.fixture(scope="module", params=["residual", "tower"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    blueprint = blueprint_of(request.param)
    store = Store(tmp_path_factory.mktemp("table") / "table.jsonl")
    bench = Bench.open(blueprint, Target("null"), store, 0, NullRuntime())
    design = bench.design(12)
    predictor = bench.predictor(bench.fill(design), design)
    return blueprint, predictor, bench.space(predictor), bench.slicer


def draws(blueprint: Blueprint, space: SearchSpace, count: int, removal: float) -> list[Candidate]:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(count):
        removed = [block.name for block in blueprint.blocks if rng.random() < removal]
        found.append(assemble(blueprint, {k.dim: int(rng.choice(k.levels)) for k in space.widths}, removed))
    return found


@pytest.mark.parametrize("removal", [0.0, 0.5, 1.0])
def test_the_space_costs_what_the_predictor_says(prepared: Prepared, removal: float) -> None:
    blueprint, predictor, space, _ = prepared
    for candidate in [full(blueprint), *draws(blueprint, space, 30, removal)]:
        expected = predictor.estimate(list(pieces(blueprint, candidate).values())).seconds
        assert space.latency_of(candidate) == pytest.approx(expected, rel=1e-9)


def test_what_is_predicted_is_near_the_law(prepared: Prepared) -> None:
    blueprint, _, space, slicer = prepared
    law = NullRuntime().law
    errors = [
        space.latency_of(candidate) / sum(law.seconds(slicer.slice(candidate)).values()) - 1
        for candidate in draws(blueprint, space, 12, 0.3)
    ]
    assert np.abs(errors).mean() < 0.1


def test_each_unit_is_priced_at_each_width(prepared: Prepared) -> None:
    blueprint, predictor, space, _ = prepared
    levels = {knob.dim: knob.levels for knob in space.widths}
    assert [unit.name for unit in space.pieces] == [spec.name for spec in piece_specs(blueprint)]
    whole = pieces(blueprint, full(blueprint))
    for unit in space.pieces:
        key = whole[unit.name]
        shape = tuple(1 if dim is None else len(levels[dim]) for dim in (unit.row, unit.column))
        assert unit.seconds.shape == shape
        assert unit.seconds[-1, -1] == pytest.approx(predictor.cell(key)[0])
        least_in = key.widths[0] if unit.column is None else levels[unit.column][0]
        corner = PieceKey(key.family, (least_in, key.widths[1]))
        # A head that reads a flattened map has a multiple of its dim's width.
        if key.widths[0] in (least_in, levels.get(unit.column or "", (0,))[-1]):
            assert unit.seconds[-1, 0] == pytest.approx(predictor.cell(corner)[0])


def test_units_go_with_their_blocks(prepared: Prepared) -> None:
    blueprint, _, space, _ = prepared
    for block in blueprint.blocks:
        alone = assemble(blueprint, dict(full(blueprint).dims), [block.name])
        gone = set(pieces(blueprint, full(blueprint))) - set(pieces(blueprint, alone))
        assert gone == {unit.name for unit in space.pieces if block.name in unit.blocks}
        assert gone, "a block that takes no unit along would be free"
        assert space.hidden([block.name]) == edited(blueprint, Choices.without(block.name)).hidden
    every = [block.name for block in blueprint.blocks]
    assert space.hidden(every) == edited(blueprint, Choices.without(*every)).hidden


# ---- widths on offer -------------------------------------------------------------------------------------------------


def test_the_widths_on_offer_are_the_tread_edges_of_the_runtime(prepared: Prepared) -> None:
    blueprint, _, space, _ = prepared
    for knob in space.widths:
        size = blueprint.dim(knob.dim).size
        assert knob.full == size
        assert all(level % 8 == 0 for level in knob.levels[:-1])
    most = max(space.widths, key=lambda knob: len(knob.levels))
    assert most.levels == (8, 16, 24, 32)


def test_a_dim_without_narrower_edges_keeps_its_size_and_says_why() -> None:
    blueprint = comb(residual(), EXAMPLE)
    stairs = staircases(blueprint, 64)
    widths, _ = knobs_of(blueprint, stairs)
    assert all(knob.levels == (knob.full,) for knob in widths)
    reasons = why_whole(blueprint, stairs)
    assert set(reasons) == {knob.dim for knob in widths}
    assert all("faster" in reason for reason in reasons.values())
    assert set(why_whole(blueprint, {}).values()) == {"The stairs of its operators are not known."}
    assert why_whole(blueprint, staircases(blueprint, 1)) == {}


def test_no_width_below_the_least_is_on_offer() -> None:
    blueprint = comb(residual(), EXAMPLE, least={"*": 3})
    widths, _ = knobs_of(blueprint, staircases(blueprint, 1))
    assert widths
    assert all(3 <= min(knob.levels) <= 4 for knob in widths)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60, unique=True), st.integers(2, 20))
def test_thinned_levels_keep_both_ends(widths: list[int], most: int) -> None:
    levels = tuple(sorted(widths))
    few = thinned(levels, most)
    assert len(few) == min(most, len(levels))
    assert list(few) == sorted(set(few))
    assert set(few) <= set(levels)
    assert {few[0], few[-1]} == {levels[0], levels[-1]}


def test_thinned_levels_are_closer_where_they_are_small() -> None:
    assert thinned(tuple(range(32, 513, 32))) == (32, 96, 160, 256, 384, 512)


def test_the_table_lies_where_it_was_asked_to(tmp_path: Path) -> None:
    store = Store(tmp_path / "table.jsonl")
    bench = Bench.open(blueprint_of("grouped"), Target("null"), store, 0, NullRuntime())
    table = bench.fill([bench.smallest()])
    assert [row.origin for row in table.rows] == ["baseline", "level"]
    assert bench.row(table, bench.smallest()) == table.rows[1]
    assert bench.row(table, full(bench.blueprint)) == table.rows[0]
