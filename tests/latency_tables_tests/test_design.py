"""The choice of few networks: it leaves less open than chance, and is the same every time."""

from __future__ import annotations

import numpy as np

from latency_tables import PieceKey, informative
from latency_tables.fit.law import Array
from latency_tables.fit.pooled import features

from .fit_tests.test_pooled import CONVOLUTION, MAP, QUANTUM, SIDES, family, networks

OPERATIONS = [CONVOLUTION, MAP]
LARGEST = [
    *(PieceKey.of(family(side), (320, 320)) for side in SIDES for _ in range(2)),
    PieceKey.of("linear at1", (320, 10)),
]
POOL = networks(200, seed=1)


def left_open(chosen: list[int]) -> float:
    """Return the mean variance of relative times of the pool that the chosen ones leave, timings being equally good."""

    def relative(some: list[list[PieceKey]]) -> Array:
        found = features(some, OPERATIONS, QUANTUM) / features([LARGEST], OPERATIONS, QUANTUM)
        return np.asarray(found / found.mean(axis=1, keepdims=True))

    timed, every = relative([LARGEST, *(POOL[i] for i in chosen)]), relative(POOL)
    spread = np.linalg.inv(0.1 * np.eye(timed.shape[1]) + timed.T @ timed)
    return float(np.mean(np.einsum("ij,jk,ik->i", every, spread, every)))


def test_it_leaves_less_open_than_random_networks() -> None:
    rng = np.random.default_rng(0)
    chosen = informative(POOL, [LARGEST], 12, QUANTUM)
    random = [left_open(rng.choice(len(POOL), 12, replace=False).tolist()) for _ in range(50)]
    assert left_open(chosen) < min(random)


def test_a_longer_choice_begins_as_a_shorter_and_takes_none_twice() -> None:
    chosen = informative(POOL, [LARGEST], 30, QUANTUM)
    assert chosen[:10] == informative(POOL, [LARGEST], 10, QUANTUM)
    assert len(set(chosen)) == 30


def test_there_may_be_fewer_than_wanted() -> None:
    assert sorted(informative(POOL[:3], [LARGEST], 9, QUANTUM)) == [0, 1, 2]
    assert informative([], [LARGEST], 9, QUANTUM) == []


def test_a_network_of_no_units_tells_nothing() -> None:
    assert informative([[], *POOL[:3]], [LARGEST], 4, QUANTUM)[-1] == 0


def test_what_is_known_already_is_not_asked_again() -> None:
    first = informative(POOL, [LARGEST], 1, QUANTUM)[0]
    assert informative([POOL[first], *POOL[:20]], [LARGEST, POOL[first]], 1, QUANTUM) != [0]
