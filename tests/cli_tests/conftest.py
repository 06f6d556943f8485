"""A user's project, the command line as a function, and one run that came to its end."""

import contextlib
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from search.cli import call
from tests.reloading import reload_here as reload_here

from .project import write_project


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Standard error on one line: where a terminal would break it is of no interest."""
        return " ".join(self.err.split())


Lathe = Callable[..., Answer]


def _lathe(*arguments: object) -> Answer:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = call([str(argument) for argument in arguments])
    return Answer(status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def lathe() -> Lathe:
    return _lathe


@pytest.fixture(scope="session")
def _written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    return folder


@pytest.fixture(scope="session")
def _finished(_written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(_written, folder)
    answer = _lathe("run", folder / "net.toml")
    assert answer.status == 0, answer.err
    return folder


@pytest.fixture
def project(_written: Path, tmp_path: Path) -> Path:
    """A project that was never run."""
    return Path(shutil.copytree(_written, tmp_path / "project"))


@pytest.fixture
def finished(_finished: Path, tmp_path: Path) -> Path:
    """A project whose run is complete, with the verdict "met"; its bundle is `run/bundle`."""
    return Path(shutil.copytree(_finished, tmp_path / "finished"))
