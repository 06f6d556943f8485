from pathlib import Path

import pytest

from search.engine import run
from tests.reloading import reload_here as reload_here

from .small import config_of


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run; read only."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    outcome = run(config_of(out, proofs=True))
    assert outcome.fresh
    assert outcome.report.verdict == "met"
    return out


@pytest.fixture
def out(tmp_path: Path, finished: Path) -> Path:
    """A fresh run folder that holds the unpruned network's file already, which takes a second to export."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "baseline.onnx").write_bytes((finished / "baseline.onnx").read_bytes())
    return folder
