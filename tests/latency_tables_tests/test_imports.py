import subprocess
import sys
from pathlib import Path

import latency_tables

ROOT = Path(latency_tables.__file__).parents[1]


def test_import_needs_nothing_heavy() -> None:
    code = "import sys, latency_tables; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert "latency_tables" in loaded
    assert {"torch", "onnx", "onnxruntime", "search"}.isdisjoint(loaded)


def test_exports_are_sorted_and_there() -> None:
    assert latency_tables.__all__ == sorted(latency_tables.__all__)
    assert all(hasattr(latency_tables, name) for name in latency_tables.__all__)
