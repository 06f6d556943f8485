from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.graph import Candidate
from search.space import BlockKnob, PieceCells, SearchSpace, WidthKnob

from .spaces import random_space, seconds_of, settings_of, spaces


def chain(**changes: object) -> SearchSpace:
    facts: dict[str, object] = {
        "widths": (WidthKnob("a", (8, 16)), WidthKnob("b", (4, 8, 12))),
        "blocks": (BlockKnob("mid", ("b",)),),
        "pieces": (
            PieceCells("stem", "a", None, np.array([[1.0], [2.0]])),
            PieceCells("up", "b", "a", np.arange(6.0).reshape(3, 2), ("mid",)),
            PieceCells("depthwise", "b", "b", np.diag([0.5, 3.0, 1.0]), ("mid",)),
        ),
        "fixed_s": 0.25,
    }
    return SearchSpace(**{**facts, **changes})  # type: ignore[arg-type]


def test_latency_is_fixed_plus_the_chosen_cells() -> None:
    space = chain()
    assert space.latency({"a": 1, "b": 2}) == 0.25 + 2.0 + 5.0 + 1.0
    assert space.latency({"a": 1, "b": 1}) == 0.25 + 2.0 + 3.0 + 3.0
    assert space.latency({"a": 0}, {"mid"}) == 0.25 + 1.0


def test_hidden_dims_are_left_out_so_equal_networks_are_equal() -> None:
    space = chain()
    removed = space.candidate({"a": 0, "b": 2}, ["mid"])
    assert removed == space.candidate({"a": 0}, ["mid"]) == Candidate({"a": 8}, {"mid": "remove"})
    assert space.candidate({"a": 1, "b": 0}) == Candidate({"a": 16, "b": 4}, {"mid": "keep"})


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_many_candidates_are_priced_by_the_definition(space: SearchSpace) -> None:
    all_settings = list(settings_of(space))
    rows, masks = zip(*(space.encode(*setting) for setting in all_settings), strict=True)
    seconds = space.latencies(np.array(rows), np.array(masks))
    assert seconds == pytest.approx([seconds_of(space, setting) for setting in all_settings], rel=1e-12)
    assert space.size == len(all_settings) == len({space.candidate(*setting) for setting in all_settings})


@settings(max_examples=40, deadline=None)
@given(spaces(), st.data())
def test_candidates_come_back_as_levels(space: SearchSpace, data: st.DataObject) -> None:
    levels, removed = data.draw(st.sampled_from(list(settings_of(space))))
    assert space.levels_of(space.candidate(levels, removed)) == (levels, removed)


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_smallest_is_the_fastest_of_all(space: SearchSpace) -> None:
    fastest = min(seconds_of(space, setting) for setting in settings_of(space))
    assert space.latency_of(space.smallest()) == pytest.approx(fastest, rel=1e-9)
    for removed in {removed for _, removed in settings_of(space)}:
        fastest = min(seconds_of(space, setting) for setting in settings_of(space) if setting[1] == removed)
        chosen = space.smallest(removed)
        assert chosen.removed == removed
        assert space.latency_of(chosen) == pytest.approx(fastest, rel=1e-9)


def test_smallest_sees_a_slow_odd_width() -> None:
    unit = PieceCells("conv", "a", None, np.array([[2.0], [1.0]]))
    space = SearchSpace((WidthKnob("a", (7, 8)),), (), (unit,))
    assert space.smallest() == Candidate({"a": 8})


def test_pricing_is_fast() -> None:
    space = random_space(1, dims=20, blocks=8, units=30, most_levels=16)
    rng = np.random.default_rng(0)
    levels = np.stack([rng.integers(0, n, size=50_000) for n in space.n_levels], axis=1)
    removed = rng.random((50_000, 8)) < 0.2
    space.latencies(levels[:10], removed[:10])
    before = time.process_time()
    space.latencies(levels, removed)
    assert time.process_time() - before < 0.25  # 200,000 a second, in processor time


def test_the_digest_names_the_content() -> None:
    assert chain().digest == chain().digest
    other = PieceCells("stem", "a", None, np.array([[1.0], [2.0000001]]))
    assert chain(fixed_s=0.5).digest != chain().digest != chain(pieces=(other, *chain().pieces[1:])).digest


def test_off_diagonal_cells_of_a_depthwise_unit_may_be_unknown() -> None:
    cells = np.array([[1.0, np.nan], [np.nan, 2.0]])
    space = SearchSpace((WidthKnob("a", (8, 16)),), (), (PieceCells("dw", "a", "a", cells),))
    assert space.latency({"a": 1}) == 2.0


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_cells_are_known_seconds(bad: float) -> None:
    with pytest.raises(ValueError, match=r"piece 'stem' has (-1.0|nan|inf): measure"):
        PieceCells("stem", None, None, np.array([[bad]]))


@pytest.mark.parametrize("levels", [(), (0, 1), (4, 4), (8, 4)])
def test_widths_increase(levels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must increase"):
        WidthKnob("a", levels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": (BlockKnob("mid", ("c",)),)}, r"Block 'mid' hides names .* \['c'\]"),
        ({"widths": (WidthKnob("a", (8, 16)), WidthKnob("b", (4, 8)))}, r"needs cells of shape \(2, 2\)"),
        ({"widths": (WidthKnob("a", (8,)), WidthKnob("a", (8,)))}, r"these repeat: \['a'\]"),
        ({"pieces": (PieceCells("up", "b", None, np.ones((3, 1))),)}, "add it to the piece's blocks"),
        ({"fixed_s": -1.0}, "Fixed time"),
    ],
)
def test_a_space_that_contradicts_itself_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chain(**changes)


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (Candidate({"a": 8, "b": 5}, {"mid": "keep"}), "Width 5 of dim 'b' is not on offer"),
        (Candidate({"a": 8}, {"mid": "keep"}), r"these are odd: \['b'\]"),
        (Candidate({"a": 8, "b": 4}, {"mid": "remove"}), r"these are odd: \['b'\]"),
        (Candidate({"a": 8, "b": 4}), "chooses the blocks"),
    ],
)
def test_a_candidate_of_another_space_is_refused(candidate: Candidate, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chain().levels_of(candidate)


def test_levels_out_of_range_are_refused() -> None:
    space = chain()
    with pytest.raises(ValueError, match="from 0 to 2, but got 3"):
        space.latency({"a": 0, "b": 3})
    with pytest.raises(ValueError, match="needs a level"):
        space.latency({"a": 0})
    with pytest.raises(ValueError, match="some do not"):
        space.latencies(np.array([[0, 3]]), np.array([[False]]))
    with pytest.raises(ValueError, match="shape"):
        space.latencies(np.array([[0]]), np.array([[False]]))
