"""The checker of layers finds what is planted, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.check_layers import (
    MAX_FILE_LINES,
    MAX_FUNCTION_LINES,
    MAX_MEDIAN_LINES,
    MAX_PARAMETERS,
    complaints,
    main,
)

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
        return complaints(tmp_path, frozenset(), frozenset())

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
        ("search/graph/bad.py", "\n" * (MAX_FILE_LINES + 1), "at most 400"),
        ("tests/bad.py", "def f():\n" + "    f()\n" * MAX_FUNCTION_LINES, "`f` has 61 lines"),
        ("tests/bad.py", "def f(a, b, c, d, /, e, f, *, g, h, i): ...\n", "`f` has 9 parameters"),
        ("search/bad.py", "import app\n\n@app.command()\ndef f(a, b, c, d, e, f, g, h, i): ...\n", "`f` has 9 par"),
        ("search/cli.py", "import app\n\n@app.wrap()\ndef f(a, b, c, d, e, f, g, h, i): ...\n", "`f` has 9 par"),
        ("hwprofiles/utils.py", "", "says nothing"),
    ],
)
def test_a_planted_fault_is_found(plant: Plant, name: str, text: str, words: str) -> None:
    # An import upwards may close a circle as well.
    found = [line for line in plant(name, text) if "circle" not in line]
    assert len(found) == 1
    assert found[0].startswith(f"{name}:")
    assert words in found[0]


def test_lengths_at_the_limit_are_allowed(plant: Plant) -> None:
    function = "def f():\n" + "    f()\n" * (MAX_FUNCTION_LINES - 1)
    assert plant("search/graph/bad.py", function + "\n" * (MAX_FILE_LINES - MAX_FUNCTION_LINES)) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("search/commands/x.py", "def x(a, b, c, d, e, f, g, h, i): ...\n"),
        ("search/commands/x/command.py", "def x(a, b, c, d, e, f, g, h, i): ...\n"),
        ("search/graph/x.py", "class C:\n    def f(self, a, b, c, d, e, f, g, h): ...\n"),
        ("search/graph/x.py", "class C:\n    @classmethod\n    def f(cls, a, b, c, d, e, f, g, *, h): ...\n"),
    ],
)
def test_callbacks_of_commands_and_self_are_not_counted(plant: Plant, path: str, text: str) -> None:
    assert MAX_PARAMETERS == 8
    assert [line for line in plant(path, text) if "parameters" in line] == []


@pytest.mark.parametrize("path", ["search/commands/x.py", "search/graph/f.py"])
def test_other_functions_are_counted(plant: Plant, path: str) -> None:
    found = plant(path, "def f(a, b, c, d, e, f, g, h, i): ...\n")
    assert [line for line in found if "`f` has 9 parameters" in line]


def test_a_package_of_long_files_is_found(plant: Plant) -> None:
    for name in ("a", "b", "c"):
        found = plant(f"latency_tables/{name}.py", "\n" * (MAX_MEDIAN_LINES + 1))
    assert found == [f"latency_tables:1: the median file has 121 lines, at most {MAX_MEDIAN_LINES} are allowed"]
    assert plant("latency_tables/c.py", "\n" * (MAX_MEDIAN_LINES - 1)) == []


CIRCLES = {
    "at the top": ({"a": "from .b import x\n", "b": "from .a import y\n"}, ["a", "b", "a"]),
    "in a function": ({"a": "from .b import x\n", "b": "def f():\n    from .a import y\n"}, ["a", "b", "a"]),
    "of three": (
        {"a": "from .b import x\n", "b": "from . import c\n", "c": "def f():\n    from .a import y\n"},
        ["a", "b", "c", "a"],
    ),
    "by the folder": ({"d/__init__": "from .e import x\n", "d/e": "from . import y\n"}, ["d", "d.e", "d"]),
    "by the folder's folder": (
        {"d/__init__": "", "d/e": "from ..g.h import x\n", "g/__init__": "from .i import z\n", "g/h": "",
         "g/i": "from ..d import e\n"},
        ["d.e", "g", "g.i", "d.e"],
    ),
    "upwards": ({"d/__init__": "", "d/e": "from ..a import x\n", "a": "from .d.e import y\n"}, ["a", "d.e", "a"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CIRCLES)
def test_circles_of_imports_are_found(plant: Plant, tmp_path: Path, name: str) -> None:
    files, ring = CIRCLES[name]
    found: list[str] = []
    for path, text in files.items():
        found = plant(f"hwprofiles/{path}.py", text)
    assert len(found) == 1
    assert f"circle of imports {' -> '.join(f'`hwprofiles.{module}`' for module in ring)}:" in found[0]
    module = ring[0].replace(".", "/")
    assert found[0].startswith((f"hwprofiles/{module}.py:1:", f"hwprofiles/{module}/__init__.py:1:"))
    closing = (f"hwprofiles.{ring[-2]}", f"hwprofiles.{ring[-1]}")
    assert complaints(tmp_path, frozenset(), frozenset({closing})) == []


def test_imports_that_only_look_like_circles_are_left_alone(plant: Plant) -> None:
    plant("hwprofiles/d/__init__.py", "from .e import x\n")
    plant("hwprofiles/d/e.py", "from . import g\nfrom .g import y\n")
    assert plant("hwprofiles/d/g.py", "from ..target import Target\n") == []


def test_what_is_owed_must_be_exact(plant: Plant, tmp_path: Path) -> None:
    plant("search/graph/bad.py", "def f():\n" + "    f()\n" * MAX_FUNCTION_LINES)
    owed = frozenset({"search/graph/bad.py:f"})
    assert complaints(tmp_path, owed, frozenset()) == []
    assert len(complaints(tmp_path, owed | {"search/graph/bad.py"}, frozenset())) == 1
    plant("search/graph/bad.py", "def f():\n    f()\n")
    (found,) = complaints(tmp_path, owed, frozenset())
    assert "`search/graph/bad.py:f` is not too large: take it out of OWED" in found
    (found,) = complaints(tmp_path, frozenset(), frozenset({("hwprofiles.a", "hwprofiles.b")}))
    assert "`hwprofiles.a` -> `hwprofiles.b` closes no circle" in found


def test_status_says_whether_something_is_wrong(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path, frozenset(), frozenset()) == 0
    plant("hwprofiles/bad.py", "import search\n")
    assert main(tmp_path, frozenset(), frozenset()) == 1
    assert "hwprofiles/bad.py:1:" in capsys.readouterr().out


def test_this_repository_is_orderly() -> None:
    assert complaints(Path(__file__).resolve().parents[2]) == []
