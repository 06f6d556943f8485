from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from hwprofiles import Runtime
from latency_tables import Job, LatencyTable, Predictor, Store, build

from .chains import FULL, MACHINE, PROTOCOL, QUANTUM, TARGET, job, null_runtime, random_widths

Fill = Callable[..., LatencyTable]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "table.jsonl")


@pytest.fixture
def fill(store: Store) -> Fill:
    """Build into one store, with everything but the jobs at its usual value."""

    def run(jobs: Iterable[Job], runtime: Runtime | None = None, seed: int = 0, **options: object) -> LatencyTable:
        arguments = {"baseline": job(FULL), "protocol": PROTOCOL, "fingerprint": MACHINE, **options}
        return build(
            runtime or null_runtime(),
            TARGET,
            jobs,
            store,
            rng=np.random.default_rng(seed),
            **arguments,  # type: ignore[arg-type]
        )

    return run


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> LatencyTable:
    """Give 25 random networks of a chain of 6 convolutions, timed without noise."""
    return build(
        null_runtime(),
        TARGET,
        [job(widths) for widths in random_widths(25, seed=1)],
        Store(tmp_path_factory.mktemp("table") / "table.jsonl"),
        baseline=job(FULL),
        protocol=PROTOCOL,
        rng=np.random.default_rng(0),
        fingerprint=MACHINE,
    )


@pytest.fixture(scope="session")
def predictor(table: LatencyTable) -> Predictor:
    return Predictor.fit(table, quantum=QUANTUM)
