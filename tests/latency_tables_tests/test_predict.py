import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprofiles import Interval, StaircaseLaw
from latency_tables import (
    Estimate,
    Family,
    LatencyTable,
    NetworkRow,
    PieceKey,
    Predictor,
    SparseTableError,
    UnknownPieceError,
)
from latency_tables.fit.model import timing_deviations
from latency_tables.fit.overhead import profiling_overhead, true_shares

from .chains import FAMILY, FULL, QUANTUM, chain, job, keys, null_runtime, random_widths
from .conftest import Fill

UNSEEN = random_widths(60, seed=99)
width = st.integers(1, 300)
units = st.lists(st.builds(lambda i, o: PieceKey.of(FAMILY, (i, o)), width, width), max_size=8)


def true_seconds(widths: tuple[int, ...], law: StaircaseLaw | None = None) -> float:
    return sum((law or null_runtime().law).seconds(chain(widths)).values())


def test_25_networks_recover_the_staircase(predictor: Predictor) -> None:
    for widths in UNSEEN:
        assert predictor.estimate(keys(widths)).seconds == pytest.approx(true_seconds(widths), rel=1e-3)


def test_noise_of_a_run_averages_out(fill: Fill) -> None:
    table = fill([job(widths) for widths in random_widths(25, seed=1)], null_runtime(noise=0.03, drift=0.1))
    predictor = Predictor.fit(table, quantum=QUANTUM)
    assert table.reference is not None
    # Drift moves the reference speed; ratios do not move.
    speed = table.reference.median / true_seconds(FULL)
    errors = [predictor.estimate(keys(w)).seconds / true_seconds(w) / speed - 1 for w in UNSEEN]
    assert np.max(np.abs(errors)) < 0.02
    assert 0 < predictor.held_out.mape < 0.02
    assert 0 < predictor.margin < 0.04


def test_reorders_between_layouts_do_not_spoil_the_sum(fill: Fill) -> None:
    def without_relu(widths: tuple[int, ...]) -> object:
        whole = job(widths)
        loose = {name: (key, values[:1]) for name, (key, values) in whole.pieces.items()}
        return dataclasses.replace(whole, pieces=loose)

    table = fill([without_relu(widths) for widths in random_widths(25, seed=1)], baseline=without_relu(FULL))
    assert all(row.loose > 0 for row in table.rows)
    predictor = Predictor.fit(table, quantum=QUANTUM)
    for widths in UNSEEN:
        assert predictor.estimate(keys(widths)).seconds == pytest.approx(true_seconds(widths), rel=0.02)


@given(units, units)
def test_sums_are_additive(first: list[PieceKey], second: list[PieceKey]) -> None:
    predictor = _PREDICTOR[0]

    def total(keys: list[PieceKey]) -> float:
        return float(predictor.bend.sums(predictor.estimate(keys).seconds))

    assert total(first + second) == pytest.approx(total(first) + total(second), rel=1e-9)


@given(units, st.randoms())
def test_order_does_not_matter_and_nothing_is_negative(keys: list[PieceKey], random: object) -> None:
    predictor = _PREDICTOR[0]
    estimate = predictor.estimate(keys)
    shuffled = list(keys)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert predictor.estimate(shuffled) == estimate
    assert predictor.predict_pieces([shuffled]) == pytest.approx([estimate.seconds], rel=1e-12)
    assert 0 <= estimate.low <= estimate.seconds <= estimate.high
    assert all(predictor.cell(key)[0] > 0 for key in keys)


def test_estimate_is_the_bent_sum_of_cells(predictor: Predictor) -> None:
    chosen = keys(UNSEEN[0])
    total = sum(predictor.cell(key)[0] for key in chosen)
    assert predictor.estimate(chosen).seconds == pytest.approx(float(predictor.bend.seconds(total)), rel=1e-12)
    assert predictor.summands(chosen).sum() == pytest.approx(total, rel=1e-12)


def test_parts_are_the_seconds_of_each_unit_inside_its_network(predictor: Predictor) -> None:
    chosen = keys(UNSEEN[0])
    parts, summands = predictor.parts(chosen), predictor.summands(chosen)
    assert parts.sum() == pytest.approx(predictor.estimate(chosen).seconds, rel=1e-12)
    assert parts / parts[0] == pytest.approx(summands / summands[0], rel=1e-12)
    assert predictor.parts([]).shape == (0,)


def test_origin_is_the_worst_of_the_units(predictor: Predictor) -> None:
    measured = PieceKey.of(FAMILY, (64, 64))
    between = PieceKey.of(FAMILY, (60, 60))
    beyond = PieceKey.of(FAMILY, (64, 1000))
    assert predictor.cell(measured)[1] == "measured"
    assert predictor.estimate([measured, measured]).origin == "measured"
    assert predictor.estimate([measured, between]).origin == "interpolated"
    assert predictor.estimate([between, beyond, measured]).origin == "extrapolated"


def test_an_unknown_family_is_an_error_that_names_all_of_them(predictor: Predictor) -> None:
    odd = PieceKey.of(FAMILY.replace("k3x3", "k5x5"), (64, 64))
    other = PieceKey.of("softmax", (10, 10))
    with pytest.raises(UnknownPieceError, match="never measured") as caught:
        predictor.estimate([*keys(FULL), other, odd])
    assert caught.value.families == (str(odd.family), "softmax")
    assert f"nearest: {FAMILY!r}" in str(caught.value)
    for ask in (
        lambda: predictor.cell(odd),
        lambda: predictor.cells(Family.parse("softmax")),
        lambda: predictor.predict_pieces([[odd]]),
    ):
        with pytest.raises(UnknownPieceError):
            ask()


def test_a_unit_that_the_runtime_never_ran_is_unknown_not_zero(fill: Fill) -> None:
    def with_ghost(widths: tuple[int, ...]) -> object:
        whole = job(widths)
        return dataclasses.replace(whole, pieces={**whole.pieces, "add": (PieceKey.of("add", (8, 8)), ("fused away",))})

    table = fill([with_ghost(widths) for widths in random_widths(5, seed=1)], baseline=with_ghost(FULL))
    assert table.hit_rate == pytest.approx(6 / 7)
    with pytest.raises(SparseTableError):
        Predictor.fit(table, quantum=QUANTUM)


def test_cells_are_a_grid_for_exact_solvers(predictor: Predictor) -> None:
    widths_in, widths_out, seconds, origins = predictor.cells(Family.parse(FAMILY))
    assert seconds.shape == origins.shape == (len(widths_in), len(widths_out))
    assert widths_in.tolist() == [3, 8, 16, 24, 32, 40, 48, 56, 64]
    assert set(origins.ravel()) == {"measured", "interpolated"}
    for i, o in ((0, 3), (4, 5), (8, 7)):
        key = PieceKey.of(FAMILY, (int(widths_in[i]), int(widths_out[o])))
        assert predictor.cell(key)[0] == pytest.approx(seconds[i, o])
        assert predictor.cell(key)[1] == origins[i, o]


def test_cells_are_means_of_shares_bent_back(fill: Fill) -> None:
    table = fill([job(widths) for widths in random_widths(10, seed=1)], null_runtime(noise=0.1))
    model = Predictor.fit(table, quantum=QUANTUM).model
    overhead = profiling_overhead(table.rows)
    samples: dict[PieceKey, list[float]] = {}
    for row in table.rows:
        shares = true_shares(row, overhead)
        for unit in row.pieces:
            samples.setdefault(unit.key, []).append(shares[unit.name] * float(model.bend.sums(row.seconds.median)))
    assert model.correction is not None
    for key, values in samples.items():
        factor = np.exp(model.correction.mean([key]))[0]
        # The bend follows from the cells, and they from it: a round later both move on by little.
        assert model.cells([key])[0][0] == pytest.approx(factor * np.mean(values), rel=5e-3)


def test_holdout_networks_teach_only_once_all_are_predicted(fill: Fill) -> None:
    levels = [job(widths) for widths in random_widths(12, seed=1)]
    wide = (3, 96, 96, 96, 96, 96, 96)
    table = fill([*levels, job(wide, origin="holdout")])
    predictor = Predictor.fit(table, quantum=QUANTUM)
    assert predictor.cell(PieceKey.of(FAMILY, (96, 96)))[1] == "measured"
    # All others are predicted as if it were not there.
    without = Predictor.fit(table_of(table, "level"), quantum=QUANTUM)
    held = predictor.held_out
    assert held.n == 13
    said = dict(zip(held.jobs, held.predicted_s, strict=True))
    assert [said[name] for name in without.held_out.jobs] == list(without.held_out.predicted_s)


def table_of(table: LatencyTable, origin: str) -> LatencyTable:
    return dataclasses.replace(table, rows=tuple(row for row in table.rows if row.origin in ("baseline", origin)))


def whole_networks_only(row: NetworkRow) -> NetworkRow:
    blind = tuple(dataclasses.replace(unit, share=None, profiled_s=None, operators=()) for unit in row.pieces)
    return dataclasses.replace(row, pieces=blind, hit_rate=0.0)


def test_without_layer_times_laws_are_fitted_to_whole_networks(table: LatencyTable) -> None:
    blind = dataclasses.replace(table, rows=tuple(map(whole_networks_only, table.rows)))
    predictor = Predictor.fit(blind, quantum=QUANTUM)
    errors = [predictor.estimate(keys(w)).seconds / true_seconds(w) - 1 for w in UNSEEN]
    assert np.max(np.abs(errors)) < 0.05
    assert predictor.estimate(keys(FULL)).origin == "interpolated", "no cell was measured"


@pytest.mark.parametrize("low_high", [(2.0, 3.0), (0.5, 0.9), (-1.0, 3.0)])
def test_an_estimate_lies_in_its_interval(low_high: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="low <= seconds <= high"):
        Estimate(1.0, *low_high, "measured")
    with pytest.raises(ValueError, match="An origin is one of"):
        Estimate(1.0, 0.9, 1.1, "guessed")


def slower(interval: Interval, factor: float, half: float) -> Interval:
    median = factor * interval.median
    return dataclasses.replace(interval, median=median, low=median * (1 - half), high=median * (1 + half))


def slowed(table: LatencyTable, half: float) -> LatencyTable:
    """Make four networks 10 % slower, and the half-widths of their intervals `half`."""
    rows = list(table.rows)
    for place in (2, 5, 8, 11):
        row = rows[place]
        rows[place] = dataclasses.replace(
            row, seconds=slower(row.seconds, 1.1, half), ratio=slower(row.ratio, 1.1, half)
        )
    return dataclasses.replace(table, rows=tuple(rows))


def test_a_timing_counts_by_its_interval(table: LatencyTable) -> None:
    worst = {}
    for half in (0.005, 0.05, 0.2):
        predictor = Predictor.fit(slowed(table, half), quantum=QUANTUM)
        errors = [predictor.estimate(keys(w)).seconds / true_seconds(w) - 1 for w in UNSEEN]
        worst[half] = float(np.max(np.abs(errors)))
    assert worst[0.005] > worst[0.05] > worst[0.2]
    assert worst[0.005] > 0.05
    assert worst[0.2] < 0.02


def test_the_deviation_of_a_timing_is_that_of_its_interval(table: LatencyTable) -> None:
    row = table.networks[0]
    normal = Interval(1.0, math.exp(-1.96 * 0.02), math.exp(1.96 * 0.02), confidence=0.95)
    from_zero = Interval(1.0, 0.0, 2.0, confidence=0.95)
    rows = [table.rows[0], *(dataclasses.replace(row, ratio=ratio) for ratio in (normal, from_zero))]
    exact, two, wide = timing_deviations(rows)
    assert exact == 0
    assert two == pytest.approx(0.02, rel=1e-3)
    assert 1 < wide < math.inf


_PREDICTOR: list[Predictor] = []


@pytest.fixture(autouse=True)
def _share(predictor: Predictor) -> None:
    """Hand the fixture to properties, which Hypothesis calls many times."""
    _PREDICTOR[:] = [predictor]
