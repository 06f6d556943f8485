"""Tables of runtimes that compile each network for long: few networks, none of them for tests alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwprofiles import NullRuntime, Target
from latency_tables import Store
from search.bench import draw
from search.bench.bench import Bench
from search.commands.profile import measure
from search.graph.pieces import pieces
from search.progress import Silent
from tests.deploy_tests.networks import blueprint_of


class Compiled(NullRuntime):
    """A runtime whose files are compilations, and which tells nothing of their nodes."""

    most_files = 16

    def profiles(self, target: Target) -> bool:
        return False


@pytest.mark.parametrize("network", ["residual", "tower"])
def test_a_table_of_few_networks_predicts_the_others(network: str, tmp_path: Path) -> None:
    blueprint = blueprint_of(network)
    bench = Bench.open(blueprint, Target("null"), Store(tmp_path / "table.jsonl"), 0, Compiled())
    found = measure(bench, time_limit_s=1e6, progress=Silent())
    assert [row.origin for row in found.table.rows].count("level") == Compiled.most_files - 1
    assert len(found.table.rows) == Compiled.most_files
    assert found.predictor.held_out.n == Compiled.most_files - 1, "each is predicted from the others"
    law, rng = NullRuntime().law, np.random.default_rng(9)
    offers = {knob.dim: knob.levels for knob in bench.widths}
    others = [draw(blueprint, offers, rng) for _ in range(30)]
    true = np.array([sum(law.seconds(bench.slicer.slice(one)).values()) for one in others])
    predicted = found.predictor.predict_pieces([list(pieces(blueprint, one).values()) for one in others])
    assert np.mean(np.abs(predicted / true - 1) < 0.1) >= 0.9
