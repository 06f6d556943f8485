"""The verdict follows from the measurement and the budget alone."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hwprofiles import (
    PROTOCOLS,
    Measurement,
    NullRuntime,
    Quantity,
    RuntimeUnavailableError,
    Session,
    Target,
)
from search.bench.bench import is_unneeded
from search.deploy import Delivered, Verification, export, verify
from search.errors import BundleError
from search.graph import uniform
from search.importance import select
from search.surgery import cut, from_bytes, to_bytes
from tests.programs import opened

from .networks import blueprint_of

WINDOWS = 20


def spread(value: float, width: float) -> list[float]:
    """Return windows around a median whose interval is narrow but not empty."""
    return [value * (1 + width * (2 * i / (WINDOWS - 1) - 1)) for i in range(WINDOWS)]


def measured(subnet: Sequence[float], baseline: Sequence[float], **conditions: float) -> Measurement:
    return Measurement(
        canary="baseline",
        windows={"subnet": tuple(subnet), "baseline": tuple(baseline)},
        starts_s=tuple(range(len(subnet))),
        runs_per_turn={"subnet": 3, "baseline": 3},
        turns_per_window=5,
        protocol=PROTOCOLS["verify"],
        conditions=conditions,
    )


def judged(budget: Quantity, measurement: Measurement) -> Verification:
    return Verification(budget, measurement, {})


STEADY = [4e-3] * WINDOWS


def test_the_upper_end_of_the_ratio_decides() -> None:
    found = measured(spread(2e-3, 0.02), STEADY)
    ratio = found.ratio("subnet")
    assert ratio is not None
    assert ratio.low < 0.5 < ratio.high
    share = [judged(Quantity(value, "fraction"), found).verdict for value in (ratio.low, 0.5, ratio.high, 0.55)]
    assert share == ["missed", "missed", "met", "met"], "a median inside the budget is not enough"


def test_the_upper_end_of_the_seconds_decides() -> None:
    found = measured(spread(2e-3, 0.02), STEADY)
    seconds = found.seconds("subnet")
    assert seconds is not None
    times = [judged(Quantity(value, "time"), found).verdict for value in (1.9e-3, 2e-3, seconds.high, 2.1e-3)]
    assert times == ["missed", "missed", "met", "met"]


def test_a_budget_in_percent_looks_at_the_ratio_and_one_in_time_at_the_seconds() -> None:
    """The whole machine is twice as slow in the later half: the ratio is as before, the seconds are worth nothing."""
    slowness = [1.0] * (WINDOWS // 2) + [2.0] * (WINDOWS // 2)
    found = measured([2e-3 * s for s in slowness], [4e-3 * s for s in slowness])
    assert judged(Quantity(0.5, "fraction"), found).verdict == "met"
    in_time = judged(Quantity(1.0, "time"), found)
    assert in_time.verdict == "unstable"
    assert in_time.reasons


def test_a_bimodal_ratio_is_unstable_though_it_is_inside() -> None:
    found = measured([1e-3, 1.5e-3] * (WINDOWS // 2), STEADY)
    assert judged(Quantity(0.9, "fraction"), found).verdict == "unstable"


@pytest.mark.parametrize("kind", ["time", "fraction"])
def test_a_machine_that_others_use_is_unstable(kind: Any) -> None:
    found = measured([2e-3] * WINDOWS, STEADY, steal=0.5)
    assert judged(Quantity(0.9, kind), found).verdict == "unstable"
    assert judged(Quantity(0.9, kind), measured([2e-3] * WINDOWS, STEADY, steal=0.0)).verdict == "met"


def test_too_few_windows_are_unstable() -> None:
    found = judged(Quantity(0.9, "fraction"), measured([2e-3] * 5, [4e-3] * 5))
    assert found.judged is None
    assert found.verdict == "unstable"


def test_only_a_whole_share_or_a_long_time_is_unneeded() -> None:
    reference = measured(STEADY, spread(4e-3, 0.05)).seconds("baseline")
    assert reference is not None
    assert is_unneeded(Quantity(1.0, "fraction"), reference)
    assert not is_unneeded(Quantity(0.999, "fraction"), reference)
    assert is_unneeded(Quantity(reference.high, "time"), reference)
    assert not is_unneeded(Quantity(reference.median, "time"), reference)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Delivered]:
    folder = tmp_path_factory.mktemp("files")
    blueprint = blueprint_of("tower")
    found = {}
    for name, ratio in (("baseline", 0.0), ("subnet", 0.5)):
        network = cut(blueprint, select(blueprint, uniform(blueprint, ratio)))
        one = Delivered(*(folder / f"{name}.{ending}" for ending in ("onnx", "json", "safetensors")))
        export(network, one.onnx)
        for path, data in zip((one.graph, one.weights), to_bytes(network).values(), strict=True):
            path.write_bytes(data)
        found[name] = one
    return found


@pytest.mark.parametrize("kind", ["time", "fraction"])
def test_files_are_timed_as_the_law_says(files: dict[str, Delivered], kind: Any) -> None:
    law = NullRuntime().law
    seconds = {name: sum(law.seconds(one.onnx.read_bytes()).values()) for name, one in files.items()}
    truth = seconds["subnet"] / (seconds["baseline"] if kind == "fraction" else 1.0)
    runtime = NullRuntime(noise=0.01, drift=0.03, seed=1)
    for factor, verdict in ((1.05, "met"), (0.95, "missed")):
        rng = np.random.default_rng(0)
        found = verify(runtime, Target("null"), files, Quantity(truth * factor, kind), rng=rng)
        assert found.verdict == verdict
        assert found.hashes == {name: one.digests()[one.onnx.name] for name, one in files.items()}
    if kind == "time":
        starts = found.measurement.starts_s
        assert starts[-1] - starts[0] >= 30, "budgets in time are judged over at least half a minute"


class TakesPrograms(NullRuntime):
    """A null runtime that is given programs: it knows a network by its number of parameters."""

    artefact_kind = "exported_program"

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        assert isinstance(artefact, bytes)
        program = opened(io.BytesIO(artefact))
        self.loaded.append((sum(value.numel() for value in program.parameters()), program.example_inputs))
        return super().load(self.files[self.loaded[-1][0]], target, rng)

    def __init__(self, files: dict[int, bytes]) -> None:
        super().__init__(noise=0.01, seed=1)
        self.files, self.loaded = files, list[tuple[int, Any]]()


def test_a_runtime_that_takes_programs_is_given_the_stored_networks(files: dict[str, Delivered]) -> None:
    sizes = {
        name: sum(v.numel() for v in from_bytes(one.graph.read_bytes(), one.weights.read_bytes()).parameters())
        for name, one in files.items()
    }
    runtime = TakesPrograms({sizes[name]: one.onnx.read_bytes() for name, one in files.items()})
    rng = np.random.default_rng(0)
    found = verify(runtime, Target("null"), files, Quantity(0.99, "fraction"), rng=rng)
    assert found.verdict == "met"
    assert {size for size, _ in runtime.loaded} == set(sizes.values())
    assert all(example is None for _, example in runtime.loaded)
    for name, one in files.items():
        content = one.graph.read_bytes() + one.weights.read_bytes()
        assert found.hashes[name] == hashlib.sha256(content).hexdigest()


def test_what_cannot_be_timed_is_an_error(files: dict[str, Delivered], tmp_path: Path) -> None:
    file = tmp_path / "broken.onnx"
    file.write_bytes(b"not a network")
    broken = replace(files["subnet"], onnx=file, graph=file)
    budget, rng = Quantity(0.5, "fraction"), np.random.default_rng(0)
    with pytest.raises(BundleError, match=r"broken\.onnx cannot be used"):
        verify(NullRuntime(), Target("null"), {**files, "subnet": broken}, budget, rng=rng)
    with pytest.raises(RuntimeUnavailableError):
        verify(NullRuntime(), Target("onnxruntime"), files, budget, rng=rng)
    with pytest.raises(BundleError):
        verify(TakesPrograms({}), Target("null"), {**files, "subnet": broken}, budget, rng=rng)


def test_a_network_against_itself_is_the_same(files: dict[str, Delivered]) -> None:
    torch.manual_seed(0)
    runtime = NullRuntime(noise=0.02, seed=4)
    twice = {"baseline": files["baseline"], "subnet": files["baseline"]}
    found = verify(runtime, Target("null"), twice, Quantity(0.98, "fraction"), rng=np.random.default_rng(1))
    assert found.judged is not None
    assert found.judged.median == pytest.approx(1.0, rel=0.01)
    assert found.verdict == "missed"
