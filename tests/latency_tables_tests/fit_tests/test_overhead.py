"""What profiling adds to each node is found and taken off; without that, shares are wrong."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hwprofiles import Interval, NodeTime, NullRuntime, Session, Target
from latency_tables import NetworkRow, PieceKey, PieceRow, Predictor
from latency_tables.fit import model as module
from latency_tables.fit.overhead import profiling_overhead, true_shares

from ..chains import FAMILY, QUANTUM, chain, job, keys, null_runtime, random_widths
from ..conftest import Fill

EXTRA_S = 1e-5
"""Seconds that `Inflated` adds to a node: as much as a small convolution takes."""


class _Inflated(Session):
    """A session whose profile adds as much to each node."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def input_specs(self) -> tuple[object, ...]:  # type: ignore[override]
        return self._session.input_specs

    def run(self) -> None:
        self._session.run()

    def outputs(self, feeds: object) -> object:  # type: ignore[override]
        return self._session.outputs(feeds)  # type: ignore[arg-type]

    def profile(self, runs: int) -> tuple[NodeTime, ...]:
        return tuple(dataclasses.replace(node, seconds=node.seconds + EXTRA_S) for node in self._session.profile(runs))

    def close(self) -> None:
        self._session.close()


class Inflated(NullRuntime):
    """The null runtime with a profiler that takes time itself."""

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        return _Inflated(super().load(artefact, target, rng))


def row(seconds: Sequence[float], overhead: float, slow: float = 1.0, profiled: bool = True) -> NetworkRow:
    """Give a network whose units are one node each; its machine was `slow` times slower than the reference."""
    units = tuple(
        PieceRow(f"u{i}", PieceKey.of(FAMILY, (8, 8)), own / sum(seconds), slow * own + overhead, ("Conv",))
        if profiled
        else PieceRow(f"u{i}", PieceKey.of(FAMILY, (8, 8)), None)
        for i, own in enumerate(seconds)
    )
    total = sum(seconds)
    exact = Interval(total, total, total)
    return NetworkRow("j", "level", exact, exact, (1.0,) * 8, units, 1.0, 0.0, (), "2026-11-01", slow * total)


def rows(overhead: float, n: int = 20) -> list[NetworkRow]:
    rng = np.random.default_rng(0)
    sizes = rng.integers(3, 12, n)
    return [row(rng.uniform(1e-6, 1e-4, size).tolist(), overhead, slow=rng.uniform(0.8, 1.5)) for size in sizes]


@pytest.mark.parametrize("overhead", [1e-6, 3e-6, 5e-5])
def test_the_seconds_that_profiling_adds_to_a_node_are_found(overhead: float) -> None:
    assert profiling_overhead(rows(overhead)) == pytest.approx(overhead, rel=1e-3)


def test_none_is_found_where_there_is_none() -> None:
    assert profiling_overhead(rows(0.0)) == pytest.approx(0.0, abs=1e-10)


def test_networks_without_a_profile_say_nothing() -> None:
    seen = rows(2e-6)
    blind = [row([1e-5] * 5, 0.0, profiled=False), dataclasses.replace(seen[0], raw_s=None)]
    assert profiling_overhead([*seen, *blind]) == profiling_overhead(seen)
    assert profiling_overhead(blind) == 0.0
    assert profiling_overhead([]) == 0.0


def test_networks_of_one_kind_do_not_make_all_their_time_overhead() -> None:
    """Each has as much time for each node, so the fit alone could not tell which of the two was measured."""
    alike = [row([1e-5] * n, 0.0) for n in (3, 5, 8, 12)]
    assert profiling_overhead(alike) == pytest.approx(0.0, abs=1e-9)
    longer = [row([1e-5] * n, 4e-6) for n in (3, 5, 8, 12)]
    assert profiling_overhead(longer) == pytest.approx(4e-6, rel=1e-3)


def test_shares_are_those_of_the_true_seconds() -> None:
    found = true_shares(row([1e-6, 3e-6, 6e-6], 2e-6), 2e-6)
    assert [found[f"u{i}"] for i in range(3)] == pytest.approx([0.1, 0.3, 0.6])
    # More than all of a node cannot be taken off.
    assert min(true_shares(row([1e-6, 9e-6], 0.0), 1e-3).values()) > 0
    assert true_shares(row([1e-6], 0.0, profiled=False), 1e-6) == {}


def test_shares_stand_where_profiled_seconds_were_not_kept() -> None:
    kept = row([1e-6, 3e-6], 0.0)
    old = dataclasses.replace(kept, pieces=tuple(dataclasses.replace(u, profiled_s=None) for u in kept.pieces))
    assert true_shares(old, 1e-6) == {"u0": pytest.approx(0.25), "u1": pytest.approx(0.75)}


def worst(predictor: Predictor) -> float:
    """Return the largest error of the units' parts in unseen networks, and so of shares."""
    law = null_runtime().law
    errors = []
    for widths in random_widths(30, seed=99):
        nodes = law.seconds(chain(widths))
        true = np.array([nodes[f"c{i}"] + nodes[f"y{i}"] for i in range(len(widths) - 1)])
        errors.append(np.abs(predictor.parts(keys(widths)) - true).sum() / true.sum())
    return float(np.mean(errors))


def test_taking_it_off_makes_predictions_better(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    table = fill([job(widths) for widths in random_widths(25, seed=1)], Inflated())
    assert profiling_overhead(table.rows) == pytest.approx(EXTRA_S, rel=0.01)
    right = Predictor.fit(table, quantum=QUANTUM)
    monkeypatch.setattr(module, "profiling_overhead", lambda rows: 0.0)
    wrong = Predictor.fit(table, quantum=QUANTUM)
    assert worst(right) < 0.01 < 0.1 < worst(wrong)
    assert right.held_out.mape < 0.005
    assert right.held_out.mape < 0.5 * wrong.held_out.mape
