"""Compiled files, kept on disk by what they were made of, so that nothing is compiled twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ..files import make_whole

FOLDER_VARIABLE = "LATHE_CACHE"
"""Environment variable that names the folder of kept files; by default `lathe` in the user's cache folder."""

MOST_BYTES = 10 * 2**30
"""Size of the kept files of one kind above which those go that were used longest ago."""

YOUNG_S = 24 * 3600.0
"""Seconds since its last use for which a file stays in any case: a build that runs now may come back to it."""


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
    same one at once both do the work, and one of the two files stays. Each new file makes room for itself: beyond
    `MOST_BYTES`, old ones go, but none that was used within `YOUNG_S`.

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
        # So that the files used last are those that stay.
        os.utime(path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    _clean(path.parent)
    make_whole(path, make)
    return path


def _clean(folder: Path) -> None:
    """Delete the files used longest ago, and what killed processes left; what cannot be deleted stays."""
    by_age = sorted(_entries(folder), key=lambda pair: pair[1].st_mtime)
    total = sum(status.st_size for _, status in by_age)
    for entry, status in by_age:
        if time.time() - status.st_mtime < YOUNG_S:
            return
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif total > MOST_BYTES:
            with suppress(OSError):
                entry.unlink()
                total -= status.st_size


def _entries(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    for entry in folder.iterdir():
        # Another process may be cleaning, too.
        with suppress(FileNotFoundError):
            found.append((entry, entry.stat()))
    return found
