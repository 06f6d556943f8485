"""A board that only times needs neither torch nor a runtime that it does not use: nothing heavy is imported early."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

RUNTIMES = frozenset({"torch", "onnx", "onnxruntime", "openvino", "tensorrt", "search"})
TABLES = frozenset({"scipy", "pandas", "pyarrow"})
"""What tables are fitted and written with; a timing needs none of it."""

EVERY_MODULE = """
import importlib, pkgutil
for package in (hwprofiles, latency_tables):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
"""


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import hwprofiles", RUNTIMES | TABLES),
        ("import hwprofiles; hwprofiles.get_runtime('null')", RUNTIMES | TABLES),
        ("import hwprofiles\nfor name in hwprofiles.RUNTIMES: hwprofiles.get_runtime(name)", RUNTIMES | TABLES),
        ("import latency_tables", RUNTIMES),
        ("import hwprofiles, latency_tables", RUNTIMES),
        ("import latency_tables, hwprofiles", RUNTIMES),
        (f"import hwprofiles, latency_tables{EVERY_MODULE}", RUNTIMES),
    ],
    ids=["hwprofiles", "null", "each runtime", "latency_tables", "both", "both, the other way round", "every module"],
)
def test_nothing_heavy_is_imported(code: str, unwanted: frozenset[str]) -> None:
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    loaded = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert "hwprofiles.timing.compare" in loaded
    assert sorted(unwanted.intersection(loaded)) == []
