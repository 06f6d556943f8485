"""Compiled files, kept on disk by what they were made of, so that nothing is compiled twice."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

FOLDER_VARIABLE = "LATHE_CACHE"
"""Environment variable that names the folder of kept files; by default `lathe` in the user's cache folder."""


def cache_folder() -> Path:
    """Return where compiled files are kept; see `FOLDER_VARIABLE`."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lathe"


def kept(
    kind: str,
    content: bytes,
    conditions: Mapping[str, object],
    make: Callable[[Path], None],
    *,
    suffix: str = ".pt2",
) -> Path:
    """Return the compiled file of some content, which is made where it is not there yet.

    A file appears whole or not at all: it is made under another name in the same folder. Two processes that make the
    same one at once both do the work, and one of the two files stays.

    Args:
        kind: Folder among the kept files.
        content: What is compiled.
        conditions: What else decides about the result, as JSON takes it: versions, machine, threads.
        make: Writes the compiled file to a path; its errors pass through, and nothing is kept.
        suffix: Of the file.
    """
    digest = hashlib.sha256(content)
    digest.update(json.dumps(dict(conditions), sort_keys=True).encode())
    path = cache_folder() / kind / f"{digest.hexdigest()[:32]}{suffix}"
    if path.exists():
        # So that the files used last are those that a cleaning by age leaves.
        os.utime(path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
        part = Path(folder) / path.name
        make(part)
        os.replace(part, path)
    return path
