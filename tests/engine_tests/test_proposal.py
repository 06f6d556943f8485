from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.solve import propose
from search.space import BlockKnob, PieceCells, SearchSpace, WidthKnob

from .spaces import random_space, settings_of, spaces


def draw_proposal(data: st.DataObject, space: SearchSpace) -> tuple[dict[str, float], frozenset[str], float]:
    proportions = {dim: data.draw(st.floats(0.01, 1.0)) for dim in space.dims}
    removed = frozenset(name for name in space.block_names if data.draw(st.booleans()))
    seconds = [space.latency(*setting) for setting in settings_of(space)]
    return proportions, removed, data.draw(st.floats(0.5 * min(seconds), 1.1 * max(seconds) + 1e-6))


@settings(max_examples=100, deadline=None)
@given(spaces(), st.data())
def test_a_candidate_is_inside_the_budget_and_none_means_there_is_none(space: SearchSpace, data: st.DataObject) -> None:
    proportions, removed, budget = draw_proposal(data, space)
    proposal = propose(space, proportions, removed, budget)
    reachable = min(space.latency(*setting) for setting in settings_of(space) if setting[1] == removed)
    if proposal.candidate is None:
        assert reachable > budget
        assert proposal.latency_s == pytest.approx(reachable)
        assert "least reachable latency" in proposal.reason
    else:
        assert proposal.candidate.removed == removed
        assert proposal.latency_s == space.latency_of(proposal.candidate) <= budget
        assert proposal.reason == ""


@settings(max_examples=60, deadline=None)
@given(spaces(), st.data())
def test_no_single_dim_has_room_to_rise(space: SearchSpace, data: st.DataObject) -> None:
    proportions, removed, budget = draw_proposal(data, space)
    candidate = propose(space, proportions, removed, budget).candidate
    if candidate is None:
        return
    levels, _ = space.levels_of(candidate)
    for dim, level in levels.items():
        for higher in range(level + 1, space.n_levels[space.dims.index(dim)]):
            assert space.latency({**levels, dim: higher}, removed) > budget


@settings(max_examples=60, deadline=None)
@given(spaces(), st.data(), st.floats(1.0, 3000.0))
def test_at_least_as_wide_as_every_scaled_network_that_fits(space: SearchSpace, data: st.DataObject, s: float) -> None:
    proportions, removed, budget = draw_proposal(data, space)
    candidate = propose(space, proportions, removed, budget).candidate
    hidden = space.hidden(removed)
    scaled = {}
    for knob in space.widths:
        if knob.dim not in hidden:
            bound = s / 1000.0 * proportions[knob.dim] * knob.full
            scaled[knob.dim] = max(sum(width <= bound for width in knob.levels) - 1, 0)
    if space.latency(scaled, removed) <= budget:
        assert candidate is not None
        levels, _ = space.levels_of(candidate)
        assert all(levels[dim] >= level for dim, level in scaled.items())


def one_dim(seconds: list[float], widths: tuple[int, ...]) -> SearchSpace:
    return SearchSpace((WidthKnob("a", widths),), (), (PieceCells("u", "a", None, np.array(seconds)[:, None]),))


def test_the_largest_scale_is_found_behind_a_slow_width() -> None:
    space = one_dim([1.0, 5.0, 5.0, 5.0, 2.0, 9.0], (8, 9, 10, 11, 16, 24))
    candidate = propose(space, {"a": 0.3}, (), 3.0).candidate
    assert candidate is not None
    assert candidate.dims == {"a": 16}


def test_the_fastest_network_is_the_start_where_no_scaled_one_fits() -> None:
    widths = (WidthKnob("a", (4, 8)), WidthKnob("b", (4, 8)))
    cells = np.array([[9.0, 1.0], [9.0, 9.0]])
    space = SearchSpace(widths, (), (PieceCells("u", "a", "b", cells),))
    candidate = propose(space, {"a": 1.0, "b": 0.5}, (), 2.0).candidate
    assert candidate is not None
    assert candidate.dims == {"a": 4, "b": 8}


def test_proportions_are_kept() -> None:
    widths = tuple(WidthKnob(name, tuple(range(1, 101))) for name in ("a", "b"))
    units = tuple(PieceCells(name, name, None, np.arange(1.0, 101.0)[:, None]) for name in ("a", "b"))
    candidate = propose(SearchSpace(widths, (), units), {"a": 0.2, "b": 0.8}, (), 100.0).candidate
    assert candidate is not None
    assert candidate.dims == {"a": 20, "b": 80}


def test_what_is_left_goes_to_the_dim_furthest_behind() -> None:
    widths = tuple(WidthKnob(name, (10, 20, 30)) for name in ("a", "b"))
    units = tuple(PieceCells(name, name, None, np.array([[1.0], [2.0], [3.0]])) for name in ("a", "b"))
    # The common scale ends at (10, 20); "a" is at 10 of 14 wanted, "b" at 20 of 20.
    candidate = propose(SearchSpace(widths, (), units), {"a": 0.7, "b": 1.0}, (), 4.0).candidate
    assert candidate is not None
    assert candidate.dims == {"a": 20, "b": 20}


def test_the_whole_network_where_the_budget_allows_it() -> None:
    space = random_space(5, dims=4, units=8)
    candidate = propose(space, dict.fromkeys(space.dims, 0.05), (), 1e9).candidate
    assert candidate is not None
    assert candidate.dims == {knob.dim: knob.full for knob in space.widths}


def test_hidden_dims_need_no_proportion() -> None:
    unit = PieceCells("u", "a", None, np.array([[1.0]]), ("block",))
    space = SearchSpace((WidthKnob("a", (8,)),), (BlockKnob("block", ("a",)),), (unit,))
    candidate = propose(space, {}, {"block"}, 0.5).candidate
    assert candidate is not None
    assert dict(candidate.dims) == {}


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan"), None])
def test_proportions_out_of_range_are_refused(share: float | None) -> None:
    proportions = {} if share is None else {"a": share}
    with pytest.raises(ValueError, match="over 0 and at most 1"):
        propose(one_dim([1.0], (8,)), proportions, (), 1.0)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="no dims of the space"):
        propose(one_dim([1.0], (8,)), {"a": 1.0, "z": 1.0}, (), 1.0)
    with pytest.raises(ValueError, match="Removed are names"):
        propose(one_dim([1.0], (8,)), {"a": 1.0}, {"z"}, 1.0)
