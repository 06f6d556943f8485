"""Laws of whole networks: families of one operation share them, and their tensors' sizes say how they grow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hwprofiles import Interval
from latency_tables import Family, NetworkRow, PieceKey, PieceRow
from latency_tables.fit.law import Array
from latency_tables.fit.pooled import features, laws_of_networks, terms

QUANTUM = 16
CONVOLUTION, MAP = "conv2d k3x3 s1x1 dense", "linear"
TRUE = {CONVOLUTION: (40.0, 0.2, 0.05, 0.03, 4.0), MAP: (15.0, 0.0, 0.4, 0.0, 1.5)}
SIDES = (32, 16, 8, 4)


def family(side: int, *, followers: str = "+relu") -> str:
    return f"{CONVOLUTION} in{side}x{side} out{side}x{side} {followers}"


def seconds(key: PieceKey) -> float:
    return float(terms(key, QUANTUM) @ np.array(TRUE[key.operation]))


def networks(count: int, seed: int) -> list[list[PieceKey]]:
    """Up to two convolutions of each size, of random widths, and a linear layer at one position."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        widths = [3, *(QUANTUM * int(n) for n in rng.integers(1, 20, 2 * len(SIDES)))]
        units = [
            PieceKey.of(family(side), (widths[i], widths[i + 1])) for i, side in enumerate(sorted(SIDES * 2)[::-1])
        ]
        found.append([*(unit for unit in units if rng.random() < 0.7), PieceKey.of("linear at1", (widths[-1], 10))])
    return found


def row(units: Sequence[PieceKey]) -> NetworkRow:
    blind = tuple(PieceRow(f"unit{i}", key, None, None, ()) for i, key in enumerate(units))
    timed = Interval(1.0, 1.0, 1.0, 0.95)
    return NetworkRow("job", "level", timed, timed, (), blind, 0.0, 0.0, (), "")


def fitted(some: Sequence[Sequence[PieceKey]], sums: Array) -> dict[str, float]:
    cells = laws_of_networks([row(units) for units in some], sums, QUANTUM, np.ones(len(some)))
    return {str(name): float(own.law.seconds(96, 160)) for name, own in cells.items()}


def test_fewer_networks_than_coefficients_of_all_families_tell_the_laws() -> None:
    some = networks(16, seed=0)
    sums = np.array([sum(map(seconds, units)) for units in some])
    found = fitted(some, sums)
    for name in map(family, SIDES):
        assert found[name] == pytest.approx(seconds(PieceKey.of(name, (96, 160))), rel=0.1), name


def test_what_follows_a_unit_does_not_tell_laws_apart() -> None:
    some = [[PieceKey.of(family(8), (64, 64)), PieceKey.of(family(8, followers="+add"), (64, 128))] for _ in range(3)]
    found = fitted(some, np.full(3, 7.0))
    assert found[family(8)] == found[family(8, followers="+add")]


def test_terms_grow_with_what_they_stand_for() -> None:
    small, large = (terms(PieceKey.of(f"conv2d k3x3 s2x2 dense in{n}x8 out{n}x4", (32, 64)), QUANTUM) for n in (4, 40))
    np.testing.assert_allclose(large / small, [1, 10, 10, 10, 1])
    np.testing.assert_allclose(small, [1, 32 * 2, 16 * 4, 16 * 8, 8])


def test_columns_are_those_of_the_operations_in_order() -> None:
    convolution, linear = PieceKey.of(family(4), (32, 32)), PieceKey.of("linear at1", (32, 10))
    found = features([[convolution, convolution, linear], [linear]], ["linear", CONVOLUTION], QUANTUM)
    np.testing.assert_allclose(found[0], [*terms(linear, QUANTUM), *2 * terms(convolution, QUANTUM)])
    np.testing.assert_allclose(found[1], [*terms(linear, QUANTUM), *np.zeros(5)])


def test_what_networks_leave_open_is_arithmetic_and_shared_evenly() -> None:
    units = [
        PieceKey.of(family(8), (64, 64)),
        PieceKey.of("linear at1", (64, 64)),
        PieceKey.of("conv1d k3 s1 dense", (64, 64)),
    ]
    cells = laws_of_networks([row(units)], np.array([9.0]), QUANTUM, np.ones(1))
    assert [float(cells[key.family].seconds(64, 64)) for key in units] == pytest.approx([3.0] * 3)
    assert float(cells[Family.parse("linear at1")].seconds(128, 64)) == pytest.approx(6.0)


def test_an_operation_whose_time_the_networks_call_negative_still_takes_some() -> None:
    convolution, linear = PieceKey.of(family(8), (64, 64)), PieceKey.of("linear at1", (64, 10))
    some = [[convolution] * n + [linear] * more for n in (2, 4, 8) for more in (0, 1, 2)]
    sums = np.array([len(units) - 1.9 * units.count(linear) + 2.0 for units in some])
    cells = laws_of_networks([row(units) for units in some], sums, QUANTUM, np.ones(len(some)))
    one, other = (float(cells[key.family].seconds(*key.widths)) for key in (linear, convolution))
    assert 0 < one < 0.05 * other
