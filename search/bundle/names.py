"""Names of the files in a bundle and in a run folder."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path

from hwprofiles import check_plain

from ..deploy import BASELINE, PT2_FILE, SUBNET, Delivered
from ..surgery import GRAPH_FILE, MODEL_FILE

FILES = {BASELINE: "baseline.onnx", SUBNET: "model.onnx"}
"""Contestant -> its ONNX file in the bundle."""

STORED_FILES = {BASELINE: ("baseline_graph.json", "baseline.safetensors"), SUBNET: (GRAPH_FILE, MODEL_FILE)}
"""Contestant -> its graph and its weights in the bundle: what targets are given that take no ONNX files."""

BUNDLE = "bundle"
"""The bundle's folder in a run folder."""

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
    *("study-*.log", "starts-*.json", "candidates", "bundle"),
)
"""Names, as globs, that a run writes in its folder."""


def is_own(name: str) -> bool:
    """Tell whether a name in a run folder is one that the run writes."""
    return any(fnmatchcase(name, own) for own in _OWN)


def check_bundle(folder: Path, *, named: bool = True) -> None:
    """Check, before anything is read, that a folder holds no links, pipes or devices, and files where files belong.

    Args:
        folder: The bundle; nothing is said of one that is not there.
        named: Whether it was named by the user, who may name a link.

    Raises:
        UnfitFileError: It does; the entry is named.
    """
    if not named:
        check_plain(folder, deep=False)
    if folder.is_dir():
        entries = sorted(folder.iterdir())
        check_plain(*entries, deep=False)
        check_plain(*(entry for entry in entries if entry.name in BUNDLE_FILES), folders=False)


def delivered(place: Path, contestant: str) -> Delivered:
    """Return the files of a contestant in a folder that is laid out as a bundle."""
    return Delivered(place / FILES[contestant], *(place / name for name in STORED_FILES[contestant]))
