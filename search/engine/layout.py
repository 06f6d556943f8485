"""Names of the files in a bundle and in a run folder."""

from __future__ import annotations

from fnmatch import fnmatchcase
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


_OWN = (
    *FILES.values(),
    *chain(*STORED_FILES.values()),
    *("run.json", "run.lock", "stages.json", "table.jsonl", "objectives.jsonl", "rough.json"),
    *("study-*.log*", "starts-*.json", "candidates", "bundle"),
)
"""Names, as globs, that a run writes in its folder."""


def is_own(name: str) -> bool:
    """Tell whether a name in a run folder is one that the run writes."""
    return any(fnmatchcase(name, own) for own in _OWN)


def delivered(place: Path, contestant: str) -> Delivered:
    """Return the files of a contestant in a folder that is laid out as a bundle."""
    return Delivered(place / FILES[contestant], *(place / name for name in STORED_FILES[contestant]))
