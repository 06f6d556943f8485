"""Tread edges are the widths worth having: on known laws, with noise, and for whatever a sweep may see."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import Interval
from latency_tables import Stairs, adaptive, tread_edges
from latency_tables.stairs.stairs import TOLERANCE, is_faster

Law = Callable[[int], float]


def exact(value: float) -> Interval:
    return Interval(value, value, value)


@st.composite
def swept(draw: st.DrawFn) -> tuple[list[int], list[Interval]]:
    widths = sorted(draw(st.lists(st.integers(1, 200), min_size=1, max_size=20, unique=True)))
    medians = draw(st.lists(st.floats(0.1, 3.0), min_size=len(widths), max_size=len(widths)))
    spreads = draw(st.lists(st.floats(0.0, 0.2), min_size=len(widths), max_size=len(widths)))
    return widths, [Interval(m, m * (1 - s), m * (1 + s)) for m, s in zip(medians, spreads, strict=True)]


@given(swept())
def test_edges_are_among_the_widths_and_the_widest_is_one(case: tuple[list[int], list[Interval]]) -> None:
    edges = tread_edges(*case)
    assert set(edges) <= set(case[0])
    assert list(edges) == sorted(set(edges))
    assert edges[-1] == case[0][-1]


@given(swept())
def test_no_width_that_is_left_out_is_wider_and_as_fast_as_an_edge(case: tuple[list[int], list[Interval]]) -> None:
    ratios = dict(zip(*case, strict=True))
    edges = tread_edges(*case)
    for width in set(case[0]) - set(edges):
        for edge in (edge for edge in edges if edge < width):
            assert ratios[width].median > ratios[edge].median
        above = min(edge for edge in edges if edge > width)
        assert not is_faster(ratios[width], ratios[above]) or any(edge < width for edge in edges)


@given(swept())
def test_each_edge_is_faster_than_all_wider_ones(case: tuple[list[int], list[Interval]]) -> None:
    ratios = dict(zip(*case, strict=True))
    medians = [ratios[edge].median for edge in tread_edges(*case)]
    assert medians[:-1] == sorted(medians[:-1])
    assert len(medians) < 2 or medians[-2] < medians[-1]


@given(swept(), st.floats(0.01, 100.0))
def test_edges_do_not_depend_on_the_canary(case: tuple[list[int], list[Interval]], factor: float) -> None:
    widths, ratios = case
    # Powers of two scale exactly, so that no comparison is decided by rounding.
    scale = 2.0 ** round(np.log2(factor))
    scaled = [Interval(r.median * scale, r.low * scale, r.high * scale) for r in ratios]
    assert tread_edges(widths, scaled) == tread_edges(widths, ratios)


@given(swept())
def test_a_width_that_is_slower_than_all_changes_no_edge(case: tuple[list[int], list[Interval]]) -> None:
    widths, ratios = case
    slow = exact(2 * max(ratio.high for ratio in ratios))
    edges = tread_edges([1, *(2 * width for width in widths)], [slow, *ratios])
    assert edges == tuple(2 * edge for edge in tread_edges(widths, ratios))


# ---- known laws ------------------------------------------------------------------------------------------------------


def staircase(quantum: int) -> Law:
    return lambda width: 0.05 + 0.05 * ceil(width / quantum)


def odd_penalty(width: int) -> float:
    """Blocks of 16 channels, and twice the time for widths that leave the blocked layout."""
    return staircase(16)(width) * (2.2 if width % 4 else 1.0)


def noisy(law: Law, size: int, noise: float, seed: int = 0) -> Callable[[int], Interval]:
    rng = np.random.default_rng(seed)

    def measure(width: int) -> Interval:
        windows = np.sort(law(width) / law(size) * np.exp(noise * rng.standard_normal(8)))
        return Interval(float(np.median(windows)), float(windows[0]), float(windows[-1]))

    return measure


def found(law: Law, size: int, noise: float = 0.0, seed: int = 0) -> Stairs:
    return Stairs("law", size, *adaptive(size, noisy(law, size, noise, seed)))


@pytest.mark.parametrize("quantum", [4, 8, 16, 32])
@pytest.mark.parametrize("size", [64, 96, 144, 256, 320, 960])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_quantum_of_a_staircase_is_found(quantum: int, size: int, noise: float) -> None:
    for seed in range(5 if noise else 1):
        stairs = found(staircase(quantum), size, noise, seed)
        assert (stairs.quantum, stairs.phase) == (quantum, 0)
        assert len(stairs.widths) <= 25
        assert noise or all(
            edge == size or edge % quantum == 0 or edge + 1 not in stairs.ratios for edge in stairs.edges
        )


@pytest.mark.parametrize("size", [64, 112, 250, 960])
def test_widths_that_leave_the_layout_are_not_offered(size: int) -> None:
    stairs = found(odd_penalty, size, 0.01)
    assert stairs.quantum == 16
    assert all(width % 16 == 0 or width == size or width > size // 16 * 16 for width in stairs.levels(size))
    assert all(width % 4 == 0 for width in stairs.levels(size)[:-1])


@pytest.mark.parametrize("size", [64, 320])
@pytest.mark.parametrize("odd", [33, 60, 62, 48])
def test_a_timing_that_was_disturbed_once_does_not_decide(size: int, odd: int) -> None:
    law, seen = noisy(staircase(16), size, 0.0), set[int]()

    def measure(width: int) -> Interval:
        ratio = law(width)
        if width != odd or width in seen:
            return ratio
        seen.add(width)
        return exact(ratio.median * 0.8)

    stairs = Stairs("law", size, *adaptive(size, measure))
    assert stairs.quantum == 16
    assert all(width % 16 == 0 for width in stairs.levels(size))


def test_a_timing_with_a_wide_interval_is_repeated() -> None:
    law, seen = noisy(staircase(16), 64, 0.0), set[int]()

    def measure(width: int) -> Interval:
        ratio = law(width)
        if width in seen or width not in (36, 40, 33):
            return ratio
        seen.add(width)
        return Interval(ratio.median / 3, ratio.median / 4, ratio.median * 4)

    stairs = Stairs("law", 64, *adaptive(64, measure))
    assert seen == {36, 40, 33}
    assert (stairs.quantum, stairs.levels(64)) == (16, (16, 32, 48, 64))


def test_an_edge_off_the_multiples_is_found_with_its_phase() -> None:
    stairs = found(lambda width: 0.05 + 0.1 * ceil((width + 5) / 16), 64)
    assert (stairs.quantum, stairs.phase) == (16, 11)
    assert stairs.levels(64) == (27, 43, 59, 64)


def test_where_each_unit_costs_all_widths_are_offered() -> None:
    stairs = found(lambda width: float(width), 12)
    assert stairs.is_complete
    assert stairs.levels(12) == tuple(range(1, 13))
    assert stairs.levels(12, most=4) == (3, 6, 9, 12)
    assert not stairs.is_extrapolated(12, 5)
    assert stairs.is_extrapolated(10, 5)


def test_where_no_width_is_faster_the_size_stays_and_says_why() -> None:
    stairs = found(lambda width: 1.0, 64, 0.005)
    assert stairs.edges == (64,)
    assert stairs.levels(64) == (64,)
    assert "No width below 64" in str(stairs.why_whole(64))
    eight = found(staircase(8), 64)
    assert eight.why_whole(64) is None
    assert "steps of 8" in str(eight.why_whole(8))
    assert "from 60" in str(eight.why_whole(64, least=60))


@given(st.integers(1, 3000), st.integers(1, 100), st.integers(2, 20), st.sampled_from([4, 8, 16, 32]))
def test_levels_are_multiples_that_fit(size: int, least: int, most: int, quantum: int) -> None:
    stairs = _STAIRS[quantum]
    levels = stairs.levels(size, least, most)
    assert levels[-1] == size
    assert list(levels) == sorted(set(levels))
    assert 1 <= len(levels) <= most
    assert all(width % quantum == 0 and least <= width < size for width in levels[:-1])
    if size != stairs.size and least <= quantum and -(-size // quantum) <= most:
        assert len(levels) == -(-size // quantum), "nothing is left out where all fit"


_STAIRS = {quantum: found(staircase(quantum), 64) for quantum in (4, 8, 16, 32)}


def test_widths_that_cannot_be_run_are_left_out_and_the_sweep_goes_on() -> None:
    law = noisy(staircase(8), 64, 0.0)
    ratios, failed = adaptive(64, lambda width: "no such kernel" if width == 32 else law(width))
    stairs = Stairs("law", 64, ratios, failed)
    assert failed == {32: "no such kernel"}
    assert 32 not in stairs.levels(64)
    assert 24 in stairs.levels(64)
    broken = Stairs("law", 64, {}, {64: "no such kernel"})
    assert broken.levels(64) == (64,)
    assert "no such kernel" in str(broken.why_whole(64))


def test_stairs_travel_as_json() -> None:
    stairs = Stairs("conv", 64, found(odd_penalty, 64, 0.01).ratios, {2: "odd"})
    again = Stairs.from_json(json.loads(json.dumps(stairs.to_json())))
    assert again == stairs
    assert hash(again) == hash(stairs)
    assert (again.edges, again.quantum) == (stairs.edges, stairs.quantum)


@pytest.mark.parametrize(
    ("size", "ratios", "failed"), [(0, {1: 1.0}, {}), (8, {}, {}), (8, {9: 1.0}, {}), (8, {8: 1.0}, {8: "odd"})]
)
def test_senseless_stairs_are_refused(size: int, ratios: dict[int, float], failed: dict[int, str]) -> None:
    with pytest.raises(ValueError, match=r"size of at least 1|times or fails"):
        Stairs("law", size, {width: exact(value) for width, value in ratios.items()}, failed)


@pytest.mark.parametrize(("size", "least", "most"), [(0, 1, 16), (8, 0, 16), (8, 1, 1)])
def test_senseless_levels_are_refused(size: int, least: int, most: int) -> None:
    with pytest.raises(ValueError, match="must hold"):
        _STAIRS[8].levels(size, least, most)


def test_faster_is_beyond_tolerance_and_intervals() -> None:
    assert is_faster(exact(1 - 2 * TOLERANCE), exact(1.0))
    assert not is_faster(exact(1 - TOLERANCE / 2), exact(1.0))
    assert not is_faster(Interval(0.8, 0.7, 1.0), exact(1.0))
