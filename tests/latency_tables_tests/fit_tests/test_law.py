"""The fit of laws to observations that are not equally trusted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from latency_tables import Family, LatencyTable
from latency_tables.fit.law import N_FEATURES, fit_nonnegative, stairs
from latency_tables.fit.model import fit_model

from ..chains import FAMILY, QUANTUM
from ..test_predict import slowed, whole_networks_only

TRUE = np.array([2.0, 0.0, 1.0, 3.0, 0.0])


def test_an_observation_counts_as_far_as_it_is_trusted() -> None:
    rng = np.random.default_rng(0)
    features = stairs(rng.integers(1, 200, 30), rng.integers(1, 200, 30), QUANTUM)
    seconds = features @ TRUE
    seconds[:3] *= 5
    trust = np.ones(30)
    spoilt = fit_nonnegative(features, seconds, np.zeros(N_FEATURES), 1e-6, trust)
    trust[:3] = 0
    np.testing.assert_allclose(fit_nonnegative(features, seconds, np.zeros(N_FEATURES), 1e-6, trust), TRUE, atol=1e-4)
    assert np.abs(spoilt - TRUE).max() > 0.1


def test_laws_of_whole_networks_believe_a_timing_as_its_interval_says(table: LatencyTable) -> None:
    blind = dataclasses.replace(table, rows=tuple(map(whole_networks_only, table.rows)))
    seconds = []
    for shaken in (blind, slowed(blind, 0.005), slowed(blind, 0.3)):
        cells = fit_model(shaken.rows, QUANTUM).families[Family.parse(FAMILY)]
        seconds.append(cells.law.seconds(64, 64))
    right, believed, doubted = seconds
    assert abs(doubted / right - 1) < abs(believed / right - 1) / 2
    assert believed != pytest.approx(right, rel=1e-3)
