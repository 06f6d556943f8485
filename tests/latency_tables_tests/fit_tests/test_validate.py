import dataclasses
import math

import numpy as np
import pytest

from latency_tables import HeldOut, LatencyTable, PieceKey, Predictor, SparseTableError, cross_validate
from latency_tables.fit import validate as module
from latency_tables.fit.model import fit_model
from latency_tables.fit.validate import tau_ceiling

from ..chains import QUANTUM, job, null_runtime, random_widths
from ..conftest import Fill


def test_figures_of_known_errors() -> None:
    measured = (1.0, 1.0, 2.0, 4.0)
    held_out = HeldOut(("a", "b", "c", "d"), measured, (1.04, 0.92, 2.0, 4.8))
    assert held_out.n == 4
    assert held_out.mape == pytest.approx((0.04 + 0.08 + 0 + 0.2) / 4)
    assert held_out.bias == pytest.approx((0.04 - 0.08 + 0 + 0.2) / 4)
    assert held_out.within_5 == 0.5
    assert held_out.within_10 == 0.75
    assert held_out.margin == pytest.approx(1 / 0.92 - 1), "what was slower than predicted sets the margin"
    assert held_out.interval == pytest.approx((1 / 1.2, 1 / 0.92))
    assert set(held_out.to_json()) == {
        *("n", "mape", "bias", "within_5", "within_10", "kendall_tau", "kendall_tau_ceiling", "margin")
    }


def test_margin_is_never_negative_and_the_interval_holds_the_prediction() -> None:
    held_out = HeldOut(("a", "b"), (1.0, 2.0), (1.5, 2.5))
    assert held_out.margin == 0.0
    assert held_out.interval[1] == 1.0


@pytest.mark.parametrize("n", [98, 99])
def test_quantiles_are_rounded_outwards(n: int) -> None:
    measured = tuple(1.0 + i / 100 for i in range(n))
    held_out = HeldOut(tuple(map(str, range(n))), measured, (1.0,) * n)
    assert held_out.margin == pytest.approx(0.89), "the 90th of 98 or 99"
    assert held_out.quantile(0.05) == pytest.approx({98: 1.03, 99: 1.04}[n])
    assert held_out.kendall_tau is None, "no ranks among equal predictions"


def test_illegal_results_are_refused() -> None:
    with pytest.raises(ValueError, match="one measured and one predicted"):
        HeldOut((), (), ())
    with pytest.raises(ValueError, match="above zero"):
        HeldOut(("a",), (1.0,), (0.0,))


def test_left_out_networks_are_in_no_model(table: LatencyTable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []
    fit = fit_model

    def spy(rows: object, quantum: int) -> object:
        seen.append({row.job for row in rows})  # type: ignore[attr-defined]
        return fit(rows, quantum)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "fit_model", spy)
    held_out = cross_validate(table, quantum=QUANTUM, folds=5, rng=np.random.default_rng(0))
    everyone = {row.job for row in table.rows}
    assert held_out.n == len(table.networks) == 25
    left_out = [everyone - jobs for jobs in seen]
    assert sorted(map(len, left_out)) == [5] * 5
    assert set.union(*left_out) == {row.job for row in table.networks}
    assert all(table.rows[0].job in jobs for jobs in seen)


def test_an_outlier_is_seen_from_outside(table: LatencyTable) -> None:
    """A network that the others cannot explain shows in the held-out error, however well it explains itself."""
    rows = list(table.rows)
    odd = rows[3]
    slow = dataclasses.replace(odd.seconds, median=odd.seconds.median * 3, high=odd.seconds.high * 3)
    rows[3] = dataclasses.replace(odd, seconds=slow)
    held_out = cross_validate(
        dataclasses.replace(table, rows=tuple(rows)), quantum=QUANTUM, folds=25, rng=np.random.default_rng(0)
    )
    error = dict(zip(held_out.jobs, held_out.errors, strict=True))[odd.job]
    assert error < -0.5


def test_order_of_rows_does_not_matter(table: LatencyTable) -> None:
    turned = dataclasses.replace(table, rows=table.rows[::-1])
    first, second = (Predictor.fit(t, quantum=QUANTUM).held_out for t in (table, turned))
    assert first.jobs == second.jobs
    np.testing.assert_allclose(first.predicted_s, second.predicted_s, rtol=1e-9)


def test_a_family_of_one_network_cannot_be_held_out(table: LatencyTable) -> None:
    rows = list(table.rows)
    units = (*rows[2].pieces[:-1], dataclasses.replace(rows[2].pieces[-1], key=PieceKey.of("rare", (8, 8))))
    rows[2] = dataclasses.replace(rows[2], pieces=units)
    held_out = cross_validate(
        dataclasses.replace(table, rows=tuple(rows)), quantum=QUANTUM, folds=5, rng=np.random.default_rng(0)
    )
    assert held_out.unpredicted == (rows[2].job,)
    assert held_out.n == 24


def test_two_networks_say_nothing(fill: Fill) -> None:
    table = fill([job(widths) for widths in random_widths(2, seed=1)])
    with pytest.raises(SparseTableError, match="at least 3 networks"):
        Predictor.fit(table, quantum=QUANTUM)


def test_one_fold_is_no_validation(table: LatencyTable) -> None:
    with pytest.raises(ValueError, match="at least 2 folds"):
        cross_validate(table, quantum=QUANTUM, folds=1, rng=np.random.default_rng(0))


def test_ceiling_is_one_where_measurements_repeat() -> None:
    rows = [[float(i)] * 8 for i in range(1, 6)]
    assert tau_ceiling(rows) == pytest.approx(1.0)


def test_ceiling_falls_with_noise_as_theory_says() -> None:
    rng = np.random.default_rng(0)
    n = 400
    truth = rng.standard_normal(n)
    for noise in (0.3, 1.0):
        windows = truth[:, None] + noise * rng.standard_normal((n, 8))
        measured = np.median(windows, axis=1)
        wanted = 2 / math.pi * math.asin(np.corrcoef(truth, measured)[0, 1])
        assert tau_ceiling(windows.tolist()) == pytest.approx(wanted, abs=0.04)


def test_ceiling_is_unknown_without_windows() -> None:
    assert tau_ceiling([[1.0] * 8, [2.0] * 8, [1.0, 2.0]]) is None
    assert tau_ceiling([[1.0] * 8] * 5) is None
    assert tau_ceiling([]) is None


def test_a_noisy_table_knows_its_ceiling(fill: Fill) -> None:
    table = fill([job(widths) for widths in random_widths(25, seed=1)], null_runtime(noise=0.3))
    held_out = Predictor.fit(table, quantum=QUANTUM).held_out
    assert held_out.kendall_tau_ceiling is not None
    assert 0.5 < held_out.kendall_tau_ceiling < 1.0
    assert held_out.kendall_tau is not None


def test_near_keeps_the_networks_around_a_latency() -> None:
    predicted = tuple(float(s) for s in range(1, 41))
    measured = tuple(s * (1.1 if s > 20 else 0.9) for s in predicted)
    held_out = HeldOut(tuple(f"job{i}" for i in range(40)), measured, predicted)
    around = held_out.near(30.0, factor=1.2)
    assert around.predicted_s == tuple(float(s) for s in range(25, 37))
    assert around.quantile(0.9) == pytest.approx(1.1)
    assert held_out.near(10.0, factor=1.2, least=3).quantile(0.9) == pytest.approx(0.9)
    assert held_out.near(1000.0, factor=1.2, least=5).predicted_s == (36.0, 37.0, 38.0, 39.0, 40.0)
    assert held_out.near(30.0, least=100).n == 40
