from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from hwprofiles import Runtime
from latency_tables import Job, LatencyTable, Patience, Predictor, Rig, Store, build

from .chains import FULL, MACHINE, PROTOCOL, QUANTUM, TARGET, job, null_runtime, random_widths

Fill = Callable[..., LatencyTable]

PLACE = frozenset({"fingerprint", "allow_foreign"})
PATIENCE = frozenset({"time_limit_s", "times", "retry_failed"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "table.jsonl")


@pytest.fixture
def fill(store: Store) -> Fill:
    """Build into one store, with everything but the jobs at its usual value."""

    def run(jobs: Iterable[Job], runtime: Runtime | None = None, seed: int = 0, **options: object) -> LatencyTable:
        arguments = {"baseline": job(FULL), "protocol": PROTOCOL, **options}
        place = {"fingerprint": MACHINE, **{key: arguments.pop(key) for key in PLACE & arguments.keys()}}
        patience = {key: arguments.pop(key) for key in PATIENCE & arguments.keys()}
        return build(
            Rig(runtime or null_runtime(), TARGET, store, **place),  # type: ignore[arg-type]
            jobs,
            patience=Patience(**patience),  # type: ignore[arg-type]
            rng=np.random.default_rng(seed),
            **arguments,  # type: ignore[arg-type]
        )

    return run


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> LatencyTable:
    """Give 25 random networks of a chain of 6 convolutions, timed without noise."""
    return build(
        Rig(null_runtime(), TARGET, Store(tmp_path_factory.mktemp("table") / "table.jsonl"), MACHINE),
        [job(widths) for widths in random_widths(25, seed=1)],
        baseline=job(FULL),
        protocol=PROTOCOL,
        rng=np.random.default_rng(0),
    )


@pytest.fixture(scope="session")
def predictor(table: LatencyTable) -> Predictor:
    return Predictor.fit(table, quantum=QUANTUM)
