from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.solve import exact as exact_module
from search.solve import least_latency, solve, summed_loss
from search.space import BlockKnob, PieceCells, SearchSpace, WidthKnob
from search.space.linear import Answer

from .spaces import random_space, seconds_of, settings_of, spaces

Values = dict[str, NDArray[np.float64]]


def random_losses(space: SearchSpace, seed: int, scale: float = 1.0) -> tuple[Values, dict[str, float]]:
    rng = np.random.default_rng(seed)
    value = {dim: scale * np.append(rng.random(n - 1), 0.0) for dim, n in zip(space.dims, space.n_levels, strict=True)}
    return value, {name: scale * float(rng.random() * 2) for name in space.block_names}


def plain_loss(value: Values, block_loss: dict[str, float], setting: tuple[dict[str, int], frozenset[str]]) -> float:
    return sum(float(value[dim][level]) for dim, level in setting[0].items()) + sum(block_loss[b] for b in setting[1])


@settings(max_examples=80, deadline=None)
@given(spaces(dims=4, blocks=3, units=6), st.integers(0, 2**31), st.floats(0.0, 1.2), st.sampled_from([1e-9, 1.0, 1e6]))
def test_the_optimum_is_that_of_exhaustive_search(space: SearchSpace, seed: int, share: float, scale: float) -> None:
    value, block_loss = random_losses(space, seed, scale)
    all_settings = [(setting, seconds_of(space, setting)) for setting in settings_of(space)]
    fastest, slowest = min(s for _, s in all_settings), max(s for _, s in all_settings)
    budget = fastest + share * (slowest - fastest) + 1e-9
    solution = solve(space, value, block_loss, budget, gap=0.0, time_limit_s=30)
    wanted = min(plain_loss(value, block_loss, setting) for setting, seconds in all_settings if seconds <= budget)
    assert solution.status == "optimal"
    assert solution.loss == pytest.approx(wanted, rel=1e-6, abs=1e-6 * scale)
    assert solution.bound == pytest.approx(wanted, rel=1e-6, abs=1e-6 * scale)
    assert solution.candidate is not None
    assert solution.latency_s == space.latency_of(solution.candidate) <= budget
    assert solution.candidate == space.candidate(solution.levels, solution.removed)
    assert solution.loss == summed_loss(space, value, block_loss, solution.candidate)


@settings(max_examples=40, deadline=None)
@given(spaces(), st.integers(0, 2**31), st.integers(0, 10**6))
def test_a_budget_that_one_network_meets_exactly(space: SearchSpace, seed: int, pick: int) -> None:
    value, block_loss = random_losses(space, seed)
    priced = [(setting, space.latency(*setting)) for setting in settings_of(space)]
    budget = priced[pick % len(priced)][1]
    solution = solve(space, value, block_loss, budget, gap=0.0, time_limit_s=30)
    wanted = min(plain_loss(value, block_loss, setting) for setting, seconds in priced if seconds <= budget)
    assert solution.latency_s <= budget
    assert solution.loss == pytest.approx(wanted, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(spaces(), st.integers(0, 2**31), st.floats(0.0, 0.999))
def test_out_of_reach_is_an_answer(space: SearchSpace, seed: int, share: float) -> None:
    value, block_loss = random_losses(space, seed)
    least = least_latency(space)
    solution = solve(space, value, block_loss, least.latency_s * share, time_limit_s=30)
    if least.latency_s == 0:
        return
    assert (solution.status, solution.candidate) == ("infeasible", None)
    assert solution.latency_s == least.latency_s == pytest.approx(min(seconds_of(space, s) for s in settings_of(space)))
    assert "least reachable latency" in solution.reason


def two_widths(seconds: tuple[float, float]) -> SearchSpace:
    return SearchSpace((WidthKnob("a", (8, 16)),), (), (PieceCells("u", "a", None, np.array(seconds)[:, None]),))


def test_a_network_over_the_budget_by_less_than_the_solver_sees_is_refused() -> None:
    space = two_widths((0.5, 1.0 + 1e-9))
    solution = solve(space, {"a": np.array([1.0, 0.0])}, {}, 1.0, time_limit_s=30)
    assert (solution.loss, solution.latency_s, solution.status) == (1.0, 0.5, "optimal")


def test_a_wider_and_faster_level_wins() -> None:
    solution = solve(two_widths((2.0, 1.0)), {"a": np.array([1.0, 0.0])}, {}, 1.5, time_limit_s=30)
    assert solution.levels == {"a": 1}


def test_a_removed_block_takes_the_loss_of_its_dims_along() -> None:
    unit = PieceCells("u", "a", None, np.array([[0.8], [1.0]]), ("block",))
    space = SearchSpace((WidthKnob("a", (8, 16)),), (BlockKnob("block", ("a",)),), (unit,))
    solution = solve(space, {"a": np.array([5.0, 0.0])}, {"block": 1.0}, 0.9, time_limit_s=30)
    assert (solution.removed, solution.loss, solution.bound) == (frozenset({"block"}), 1.0, 1.0)


def test_a_space_without_choices_has_one_answer() -> None:
    space = SearchSpace((), (), (), fixed_s=1.0)
    assert solve(space, {}, {}, 2.0, time_limit_s=30).loss == 0.0
    assert solve(space, {}, {}, 0.5, time_limit_s=30).latency_s == 1.0


def test_out_of_time_is_answered_by_a_network_inside_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Answer(None, None, None, -np.inf, proven=False)
    monkeypatch.setattr(exact_module, "solve_programme", lambda *args, **kwargs: nothing)
    space = random_space(3, dims=4, units=8)
    value, block_loss = random_losses(space, 0)
    budget = 1.3 * space.latency_of(space.smallest())
    solution = solve(space, value, block_loss, budget, time_limit_s=0.001)
    assert solution.status == "feasible"
    assert solution.candidate is not None
    assert solution.latency_s <= budget
    assert solution.bound == -np.inf
    assert "The gap of 0.001 was not reached" in solution.reason


def test_many_networks_a_hair_over_the_budget_do_not_hide_the_one_inside() -> None:
    knobs = tuple(WidthKnob(name, (1, 2, 3, 4)) for name in ("a", "b"))  # 16 networks, all equally fast
    unit = PieceCells("u", None, None, np.array([[1.0 + 1e-9]]), ("block",))
    space = SearchSpace(knobs, (BlockKnob("block"),), (unit,), 1.0)
    value = {name: np.array([3.0, 2.0, 1.0, 0.0]) for name in ("a", "b")}
    solution = solve(space, value, {"block": 50.0}, 2.0, time_limit_s=30)
    assert (solution.loss, solution.removed) == (50.0, frozenset({"block"}))
    assert solution.bound <= 50.0


@pytest.mark.parametrize(
    ("value", "block_loss", "message"),
    [
        ({}, {}, r"odd: \['a'\]"),
        ({"a": np.zeros(2)}, {"b": 1.0}, r"block .* odd: \['b'\]"),
        ({"a": np.zeros(3)}, {}, "needs 2 finite losses"),
        ({"a": np.array([np.nan, 0.0])}, {}, "needs 2 finite losses"),
        ({"a": np.array([1.0, 0.5])}, {}, "loses nothing"),
    ],
)
def test_losses_that_do_not_fit_are_refused(value: Values, block_loss: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(two_widths((1.0, 2.0)), value, block_loss, 1.0, time_limit_s=30)


def resnet50_like(levels: int) -> SearchSpace:
    """Four trunks, sixteen bottlenecks of two inner dims each, stairs of 32 in both widths and slow odd widths."""
    rng = np.random.default_rng(0)
    widths, blocks, units = [], [], []
    for stage, (depth, inner) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512))):
        trunk = WidthKnob(f"stage{stage}", tuple(4 * inner * (i + 1) // levels for i in range(levels)))
        widths.append(trunk)
        for index in range(depth):
            name = f"stage{stage}.{index}"
            own = [WidthKnob(f"{name}.{i}", tuple(inner * (k + 1) // levels for k in range(levels))) for i in (1, 2)]
            widths += own
            blocks.append(BlockKnob(name, tuple(knob.dim for knob in own)))
            for row, column, cost in ((own[0], trunk, 1), (own[1], own[0], 9), (trunk, own[1], 1)):
                stairs = np.outer(np.ceil(np.array(row.levels) / 32), np.ceil(np.array(column.levels) / 32)) * cost
                seconds = 1e-6 * 4.0 ** (3 - stage) * (1 + stairs) * rng.uniform(0.9, 1.1, (levels, levels))
                units.append(PieceCells(f"{name}.{row.dim}.{column.dim}", row.dim, column.dim, seconds, (name,)))
    return SearchSpace(tuple(widths), tuple(blocks), tuple(units), 1e-4)


@pytest.mark.slow
def test_a_space_of_resnet50s_size_is_solved() -> None:
    space = resnet50_like(16)
    value = {
        knob.dim: np.array([(1 - width / knob.full) ** 2 * (1 + index % 5) for width in knob.levels])
        for index, knob in enumerate(space.widths)
    }
    block_loss = {name: 1.0 + index % 3 for index, name in enumerate(space.block_names)}
    full = space.latency({dim: n - 1 for dim, n in zip(space.dims, space.n_levels, strict=True)})
    before = time.process_time()
    for share in (0.3, 0.5, 0.7):
        solution = solve(space, value, block_loss, share * full, time_limit_s=60)
        assert solution.status == "optimal"
        assert solution.latency_s <= share * full
        assert solution.loss - solution.bound <= 1.1e-3 * solution.loss
    assert time.process_time() - before < 120
