"""Names of the files in a bundle."""

from __future__ import annotations

from ..deploy import BASELINE, PT2_FILE, SUBNET
from ..surgery import GRAPH_FILE, MODEL_FILE

FILES = {BASELINE: "baseline.onnx", SUBNET: "model.onnx"}
"""Contestant -> its file in the bundle."""

REPORT_FILE = "report.json"
STRUCTURE_FILE = "structure.json"
PAGE_FILES = ("report.html", "report.md")

BUNDLE_FILES = frozenset({*FILES.values(), GRAPH_FILE, MODEL_FILE, PT2_FILE, REPORT_FILE, STRUCTURE_FILE, *PAGE_FILES})
"""Everything that a bundle may hold."""
