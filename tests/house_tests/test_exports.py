"""What a package exports is what it says, and importing it costs no more than it must."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = ("hwprofiles", "latency_tables", "search")


def _packages() -> list[str]:
    found = list(TOP)
    for name in TOP:
        walk = pkgutil.walk_packages([str(ROOT / name)], prefix=f"{name}.")
        found += [module.name for module in walk if module.ispkg]
    return sorted(found)


@pytest.mark.parametrize("name", _packages())
def test_all_lists_what_is_exported(name: str) -> None:
    package = importlib.import_module(name)
    stated = list(getattr(package, "__all__", []))
    # What is imported when it is first asked for.
    assert all(hasattr(package, key) for key in stated)
    lazy = {"import_module"} if name == "search" else set()
    present = {
        key for key, value in vars(package).items() if key[0] != "_" and not isinstance(value, ModuleType)
    } - lazy
    assert len(stated) == len(set(stated))
    assert {key for key in stated if key[0] != "_"} == present


@pytest.mark.parametrize("name", TOP)
def test_packages_are_those_of_this_repository(name: str) -> None:
    assert importlib.import_module(name).__file__ == str(ROOT / name / "__init__.py")


@pytest.mark.parametrize("heavy", ["torch", "onnx", "onnxruntime", "optuna", "plotly"])
def test_the_lower_packages_import_nothing_heavy(heavy: str) -> None:
    code = f"import sys, hwprofiles, latency_tables; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_types_and_homes_of_lazy_names_are_those_of_the_package() -> None:
    folder = ROOT / "search"
    stub = ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8"))
    homes = {a.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for a in node.names}
    listed = next(ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))
    package = importlib.import_module("search")
    assert homes == vars(package)["_HOMES"]
    assert listed == package.__all__ == sorted(homes)
    assert set(homes) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'combb'"):
        _ = package.combb


@pytest.mark.parametrize("module", ["search", "search.__main__"])
def test_the_command_is_ready_for_signals_before_anything_heavy(module: str) -> None:
    code = f"import sys, {module}; sys.exit(bool({{'torch', 'numpy', 'typer', 'rich'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
