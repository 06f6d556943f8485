from collections.abc import Iterator
from pathlib import Path

import pytest

from search.bench import SLICERS, OnnxSlicer, structure_digest
from search.engine import run
from search.graph import Blueprint

from .small import config_of

_SLICERS: dict[tuple[str, int], OnnxSlicer] = {}


def _slicer(blueprint: Blueprint, batch: int) -> OnnxSlicer:
    key = structure_digest(blueprint), batch
    if key not in _SLICERS:
        _SLICERS[key] = OnnxSlicer(blueprint, batch)
    return _SLICERS[key]


@pytest.fixture
def one_export() -> Iterator[None]:
    """Export a network for timing once for all tests: a pure function of its structure, and a second each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SLICERS, "onnx", _slicer)
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run; read only."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    outcome = run(config_of(out, proofs=True))
    assert outcome.fresh
    assert outcome.report.verdict == "met"
    return out


@pytest.fixture
def out(tmp_path: Path, finished: Path, one_export: None) -> Path:
    """A fresh run folder that holds the unpruned network's file already, which takes a second to export."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "baseline.onnx").write_bytes((finished / "baseline.onnx").read_bytes())
    return folder
