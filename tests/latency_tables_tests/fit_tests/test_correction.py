"""What whole networks say about cells, on networks whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from latency_tables import PieceKey
from latency_tables.fit.alike import PARTS, Cells
from latency_tables.fit.correction import Correction
from latency_tables.fit.law import Array

WIDTHS = (8, 16, 32, 64, 128)
SLOW, FAST = "conv2d k3x3 s1 dense", "conv2d k1x1 s1 dense"
FAMILIES = tuple(f"{operation} in{size}x{size} out{size}x{size}" for operation in (SLOW, FAST) for size in (4, 8))
KEYS = sorted(PieceKey.of(family, (i, o)) for family in FAMILIES for i in WIDTHS for o in WIDTHS)
SAMPLES = dict.fromkeys(KEYS, 3)


def designs(n: int, seed: int = 0) -> Array:
    """Give each network the shares of 12 random cells."""
    rng = np.random.default_rng(seed)
    shares = np.zeros((n, len(KEYS)))
    for line in shares:
        line[rng.choice(len(KEYS), 12, replace=False)] = rng.uniform(0.2, 1.0, 12)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def slowness() -> Array:
    return np.array([np.log(1.2) if key.operation == SLOW else 0.0 for key in KEYS])


def noisy(n: int, seed: int = 0, noise: float = 0.003) -> tuple[Array, Array]:
    design = designs(n, seed)
    rng = np.random.default_rng(seed + 1)
    return design, np.log(design @ np.exp(slowness())) + noise * rng.standard_normal(n)


def test_whole_networks_reveal_an_operation_that_the_profile_has_wrong() -> None:
    design, errors = noisy(60)
    correction = Correction.fit(KEYS, SAMPLES, design, errors)
    off = correction.mean(KEYS) - slowness()
    assert np.sqrt(np.mean(off**2)) < 0.03
    unseen, wanted = noisy(50, seed=7, noise=0.0)
    left = wanted - np.log(unseen @ np.exp(correction.mean(KEYS)))
    assert np.sqrt(np.mean(left**2)) < 0.01 < np.sqrt(np.mean(wanted**2))


def test_what_needs_no_correction_gets_none() -> None:
    correction = Correction.fit(KEYS, SAMPLES, designs(30), np.zeros(30))
    assert np.abs(correction.mean(KEYS)).max() < 1e-9
    assert correction.noise < 0.01


def test_more_networks_leave_less_open() -> None:
    unseen = designs(20, seed=9)
    spreads = [Correction.fit(KEYS, SAMPLES, *noisy(n)).spread(KEYS, unseen) for n in (4, 20, 100)]
    assert np.mean(spreads[0]) > np.mean(spreads[1]) > np.mean(spreads[2]) > 0


def test_spread_is_that_of_the_errors() -> None:
    unseen, wanted = noisy(200, seed=11)
    correction = Correction.fit(KEYS, SAMPLES, *noisy(60))
    left = wanted - np.log(unseen @ np.exp(correction.mean(KEYS)))
    said = np.hypot(correction.spread(KEYS, unseen), correction.noise)
    assert 0.4 < np.sqrt(np.mean((left / said) ** 2)) < 1.6


def test_one_wild_network_moves_predictions_by_little() -> None:
    design, errors = noisy(40)
    wild = errors.copy()
    wild[7] += np.log(3.0)
    unseen = designs(50, seed=5)
    first, second = (unseen @ Correction.fit(KEYS, SAMPLES, design, e).mean(KEYS) for e in (errors, wild))
    assert np.abs(first - second).max() < 0.03
    assert np.abs(first - second).mean() < 0.01


def test_timings_of_known_unsteadiness_say_less_and_are_no_noise() -> None:
    design, errors = noisy(60, noise=0.0)
    unsteady = np.where(np.arange(60) % 2, 0.08, 0.0)
    shaken = errors + unsteady * np.random.default_rng(5).standard_normal(60)
    unseen, wanted = noisy(50, seed=7, noise=0.0)
    left = {}
    for known in (True, False):
        correction = Correction.fit(KEYS, SAMPLES, design, shaken, unsteady if known else None)
        left[known] = np.sqrt(np.mean((wanted - np.log(unseen @ np.exp(correction.mean(KEYS)))) ** 2))
        assert (correction.noise < 0.02) == known
    assert 2 * left[True] < left[False]


def test_order_of_networks_does_not_matter() -> None:
    design, errors = noisy(30)
    order = np.random.default_rng(3).permutation(30)
    first = Correction.fit(KEYS, SAMPLES, design, errors)
    second = Correction.fit(KEYS, SAMPLES, design[order], errors[order])
    np.testing.assert_allclose(second.mean(KEYS), first.mean(KEYS), atol=1e-6)
    np.testing.assert_allclose(second.scales, first.scales, atol=1e-4)


def test_unseen_widths_are_corrected_as_their_neighbours_and_unseen_operations_by_the_offset_alone() -> None:
    correction = Correction.fit(KEYS, SAMPLES, *noisy(60))
    between, around = correction.mean([PieceKey.of(FAMILIES[0], (24, 24)), PieceKey.of(FAMILIES[0], (32, 32))])
    assert between == pytest.approx(around, abs=0.03)
    other = correction.mean([PieceKey.of("softmax in4x4", (24, 24))])[0]
    assert other == correction.common
    # A family of a known operation takes part in what is known of the operation.
    sibling = correction.mean([PieceKey.of(f"{SLOW} in16x16 out16x16", (32, 32))])[0]
    assert abs(sibling - np.log(1.2)) < abs(other - np.log(1.2))


def test_a_cell_may_be_asked_for_twice() -> None:
    correction = Correction.fit(KEYS, SAMPLES, *noisy(20))
    first, second = correction.mean(KEYS[:2])
    assert correction.mean([KEYS[1], KEYS[0], KEYS[1]]).tolist() == [second, first, second]


@pytest.mark.parametrize("n", [2, 3])
def test_few_and_equal_networks_are_no_singular_matrix(n: int) -> None:
    design = np.repeat(designs(1), n, axis=0)
    for errors in (np.zeros(n), np.full(n, 0.1), np.linspace(-2, 2, n)):
        correction = Correction.fit(KEYS, SAMPLES, design, errors)
        assert np.all(np.isfinite(correction.mean(KEYS)))
        assert np.all(np.isfinite(correction.spread(KEYS, designs(3, seed=2))))


def test_products_by_groups_are_those_of_the_whole_matrix() -> None:
    """Against the definition of each part, pair by pair."""
    rng = np.random.default_rng(0)
    mine = [KEYS[i] for i in rng.choice(len(KEYS), 15, replace=False)] + [PieceKey.of("softmax in4x4", (8, 8))]
    theirs = [KEYS[i] for i in rng.choice(len(KEYS), 40, replace=False)]
    samples = {key: i % 4 for i, key in enumerate(theirs)}
    right = rng.standard_normal((40, 3))

    def near(a: PieceKey, b: PieceKey, side: int) -> float:
        return float(np.exp(-0.5 * np.log2(a.widths[side] / b.widths[side]) ** 2))

    def parts(a: PieceKey, b: PieceKey) -> list[float]:
        operation, family = a.operation == b.operation, a.family == b.family
        return [
            float(operation),
            float(family),
            family * near(a, b, 0) * near(a, b, 1),
            (operation and a.widths[1] == b.widths[1]) * near(a, b, 0),
            (operation and a.widths[0] == b.widths[0]) * near(a, b, 1),
            float(a == b),
            (a == b and samples[b] > 0) / max(samples[b], 1),
        ]

    whole = np.array([[parts(a, b) for b in theirs] for a in mine])
    products = Cells.of(mine, samples).times(Cells.of(theirs, samples), right)
    assert len(products) == len(PARTS) == whole.shape[2]
    for i, product in enumerate(products):
        np.testing.assert_allclose(product, whole[:, :, i] @ right, rtol=1e-12, atol=1e-12)
