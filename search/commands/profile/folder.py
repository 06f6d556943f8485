"""The folder of a profile: one network on one target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...bench import structure_digest
from ...config import differences, listed
from ...engine.folder import IDENTITY_FILE
from ...errors import RunFolderError
from ...folder import Folder, make_folder
from ...graph import Blueprint

TABLE_FILE = "table.jsonl"
PAGE_FILE = "profile.html"
DATA_FILE = "profile.json"


def default_folder(model: str, slug: str) -> Path:
    """Return where a profile goes unless the user says so: `runs/<model>-<slug>`."""
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", model.replace(".py:", ":")).strip("-.")
    return Path("runs") / f"{name}-{slug}"


def identity_of(model: str, blueprint: Blueprint, shapes: Mapping[str, list[int]], slug: str) -> dict[str, Any]:
    """Return what a folder belongs to. Weights are not in it: latency does not depend on their values."""
    return {
        "command": "profile",
        "model": model,
        "inputs": dict(shapes),
        "target": slug,
        "structure": structure_digest(blueprint),
    }


def claim(path: Path, identity: Mapping[str, Any]) -> Folder:
    """Open the folder, or begin it.

    Raises:
        RunFolderError: It belongs to something else, or cannot be had.
    """
    make_folder(path)
    folder = Folder(path)
    stored = folder.read_json(IDENTITY_FILE, {str: object})
    if stored is None:
        present = [name for name in (TABLE_FILE, PAGE_FILE, DATA_FILE) if folder.file(name).exists()]
        if present:
            raise RunFolderError(
                f"A profile's folder says what it belongs to, but {path} holds {', '.join(present)} without "
                f"{IDENTITY_FILE}: name another with `--out`."
            )
        folder.write_json(IDENTITY_FILE, identity)
    elif found := differences(stored, identity):
        raise RunFolderError(
            f"A folder holds the profile of one network on one target, but {path} was filled by another "
            f"({listed(found)}): name another with `--out`, or delete the folder."
        )
    return folder
