"""The checker of layers finds what is planted, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.check_layers import MAX_FILE_LINES, MAX_FUNCTION_LINES, complaints, main

Plant = Callable[[str, str], list[str]]

CLEAN = {
    "hwprofiles/__init__.py": '__all__ = ["Target"]\n\nfrom .target import Target\n',
    "hwprofiles/target.py": "class Target: ...\n",
    "latency_tables/__init__.py": "__all__ = []\n",
    "latency_tables/keys.py": "from hwprofiles import Target\n",
    "search/__init__.py": "from .engine import run\n",
    "search/cli.py": "from . import config, report\nfrom .engine.run import run\n",
    "search/config.py": "from hwprofiles import Target\nfrom .errors import ConfigError\n",
    "search/errors.py": "class ConfigError(ValueError): ...\n",
    "search/engine/__init__.py": "from .run import run\n",
    "search/engine/run.py": "from ..deploy import export\nfrom ..graph import comb\nfrom .study import study\n",
    "search/report/__init__.py": "",
    "search/finetune/train.py": "from ..tasks import Task\nfrom .. import errors\n",
    "search/graph/comb.py": "from ..errors import ConfigError\nimport torch\n",
}


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Return a function that writes one file into an orderly repository and lists the complaints."""
    for name, text in CLEAN.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def write(name: str, text: str) -> list[str]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return complaints(tmp_path)

    return write


def test_orderly_code_is_left_alone(plant: Plant) -> None:
    assert plant("search/graph/extra.py", "from hwprofiles import Target\nfrom .comb import comb\n") == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("hwprofiles/bad.py", "import search\n", "`hwprofiles` must not import `search`"),
        ("hwprofiles/bad.py", "from latency_tables import x\n", "`hwprofiles` must not import `latency_tables`"),
        ("latency_tables/bad.py", "def f():\n    import search.graph\n", "`latency_tables` must not import `search`"),
        ("search/graph/bad.py", "from ..engine.run import run\n", "`search.graph` must not import `search.engine`"),
        ("search/graph/bad.py", "from .. import cli\n", "`search.graph` must not import `search.cli`"),
        ("search/report/bad.py", "from ..engine import run\n", "`search.report` must not import `search.engine`"),
        ("search/surgery/bad.py", "from ..tasks import x\n", "`search.surgery` must not import `search.tasks`"),
        ("search/tasks/bad.py", "from ..finetune import x\n", "`search.tasks` must not import `search.finetune`"),
        ("search/errors.py", "from .config import x\n", "`search.errors` must not import `search.config`"),
        ("search/errors.py", "from .graph import x\n", "`search.errors` must not import `search.graph`"),
        ("search/novel/bad.py", "from ..graph import x\n", "`search.novel` is on no rung"),
        ("search/graph/bad.py", "from hwprofiles.target import Target\n", "is inside `hwprofiles`"),
        ("search/graph/bad.py", "import hwprofiles.target\n", "is inside `hwprofiles`"),
        ("search/graph/bad.py", "from hwprofiles import hidden\n", "`hidden` is not in `__all__`"),
        ("search/graph/bad.py", "from search.graph.comb import comb\n", "import it relatively"),
        ("search/graph/bad.py", "from .. import run\n", "not from `search` itself"),
        ("search/graph/bad.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING: ...\n", "`TYPE_CHECKING`"),
        ("search/graph/bad.py", "import typing\nif typing.TYPE_CHECKING: ...\n", "`TYPE_CHECKING`"),
        ("search/graph/bad.py", "\n" * (MAX_FILE_LINES + 1), "at most 500"),
        ("tests/bad.py", "def f():\n" + "    f()\n" * MAX_FUNCTION_LINES, "`f` has 81 lines"),
        ("hwprofiles/utils.py", "", "says nothing"),
    ],
)
def test_a_planted_fault_is_found(plant: Plant, name: str, text: str, words: str) -> None:
    found = plant(name, text)
    assert len(found) == 1
    assert found[0].startswith(f"{name}:")
    assert words in found[0]


def test_lengths_at_the_limit_are_allowed(plant: Plant) -> None:
    function = "def f():\n" + "    f()\n" * (MAX_FUNCTION_LINES - 1)
    assert plant("search/graph/bad.py", function + "\n" * (MAX_FILE_LINES - MAX_FUNCTION_LINES)) == []


def test_status_says_whether_something_is_wrong(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path) == 0
    plant("hwprofiles/bad.py", "import search\n")
    assert main(tmp_path) == 1
    assert "hwprofiles/bad.py:1:" in capsys.readouterr().out


def test_this_repository_is_orderly() -> None:
    assert complaints(Path(__file__).resolve().parents[2]) == []
