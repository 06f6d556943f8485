"""A target that does not compute what PyTorch computes is refused before it is timed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwprofiles import ArtefactError, NullRuntime, Runtime, Session, Target, get_runtime
from latency_tables import Store
from search.bench import SLICERS, Slicer
from search.bench.bench import Bench
from search.deploy import computed, require
from search.errors import ProofError
from search.graph import full

from .networks import blueprint_of


class Off(NullRuntime):
    """Computes all outputs a little too large, or no numbers at all."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        session = super().load(artefact, target, rng)
        right = session.outputs

        def wrong(feeds: Any) -> dict[str, Any]:
            found: dict[str, Any] = dict(right(feeds))
            return {name: array * np.float32(self._factor) for name, array in found.items()}

        session.outputs = wrong  # type: ignore[method-assign]
        return session


class Fatal(NullRuntime):
    """Takes down the process that loads a file."""

    native = True

    def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
        os.kill(os.getpid(), signal.SIGSEGV)
        raise AssertionError


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch", "null"])
def test_right_targets_pass(runtime: str) -> None:
    blueprint, target = blueprint_of("joined"), Target(runtime, batch=2)
    made = get_runtime(runtime)
    if (reason := made.unavailable(target)) is not None:
        pytest.skip(reason)
    slicer = SLICERS[made.artefact_kind](blueprint, 2)
    proof = computed(slicer.network(), slicer.slice(full(blueprint)), made, target, np.random.default_rng(0))
    assert proof.passed
    assert proof.name == "runtime"


@pytest.fixture(scope="module")
def slicer() -> Slicer:
    return SLICERS["onnx"](blueprint_of("tower"), 1)


@pytest.fixture
def sliced(slicer: Slicer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let benches use the slicer that is there."""
    monkeypatch.setitem(SLICERS, "onnx", lambda blueprint, batch: slicer)


@pytest.mark.usefixtures("sliced")
@pytest.mark.parametrize("factor", [1.001, float("nan")])
def test_a_target_that_is_off_by_more_than_its_precision_is_refused(factor: float, tmp_path: Path) -> None:
    store = Store(tmp_path / "table.jsonl")
    with pytest.raises(ProofError, match="`runtime` failed"):
        Bench.open(blueprint_of("tower"), Target("null"), store, 0, Off(factor))
    assert not store.path.exists(), "nothing was timed"


@pytest.mark.usefixtures("sliced")
def test_a_target_that_takes_its_process_down_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="the signal SIGSEGV"):
        Bench.open(blueprint_of("tower"), Target("null"), Store(tmp_path / "table.jsonl"), 0, Fatal())


@pytest.mark.parametrize(("precision", "factor"), [("fp32", 1.00001), ("tf32", 1.005), ("fp16", 1.01), ("bf16", 1.05)])
def test_coarser_precisions_may_be_off_by_more(slicer: Slicer, precision: str, factor: float) -> None:
    content, network = slicer.slice(full(blueprint_of("tower"))), slicer.network()

    class Coarse(Off):
        def load(self, artefact: bytes | Path, target: Target, rng: np.random.Generator) -> Session:
            return super().load(artefact, Target("null"), rng)

    def proof(runtime: Runtime) -> Any:
        return computed(network, content, runtime, Target("null", "cuda", precision), np.random.default_rng(0))

    require({"runtime": proof(Coarse(factor))})
    assert proof(Coarse(1 + 20 * (factor - 1))).failed
