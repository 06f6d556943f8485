"""Names of the files in a bundle."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from ..deploy import BASELINE, PT2_FILE, SUBNET, Delivered
from ..surgery import GRAPH_FILE, MODEL_FILE

FILES = {BASELINE: "baseline.onnx", SUBNET: "model.onnx"}
"""Contestant -> its ONNX file in the bundle."""

STORED_FILES = {BASELINE: ("baseline_graph.json", "baseline.safetensors"), SUBNET: (GRAPH_FILE, MODEL_FILE)}
"""Contestant -> its graph and its weights in the bundle: what targets are given that take no ONNX files."""

REPORT_FILE = "report.json"
STRUCTURE_FILE = "structure.json"
PAGE_FILES = ("report.html", "report.md")

BUNDLE_FILES = frozenset(
    {*FILES.values(), *chain(*STORED_FILES.values()), PT2_FILE, REPORT_FILE, STRUCTURE_FILE, *PAGE_FILES}
)
"""Everything that a bundle may hold."""


def delivered(place: Path, contestant: str) -> Delivered:
    """Return the files of a contestant in a folder that is laid out as a bundle."""
    return Delivered(place / FILES[contestant], *(place / name for name in STORED_FILES[contestant]))
