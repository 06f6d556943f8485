"""Compiled files, kept on disk by what they were made of, so that nothing is compiled twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import UnfitFileError
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


def own_folder(kind: str) -> Path:
    """Return the folder of one kind of kept files, made where it is not there; only this user can enter it.

    Compiled files are code, which runs when it is loaded. So nobody else may have put any there.

    Raises:
        UnfitFileError: It is a link or another user's, or others may write to it.
    """
    folder = cache_folder() / kind
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    _check_own(folder, status)
    if stat.S_IMODE(status.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder


def _check_own(path: Path, status: os.stat_result) -> None:
    kind = "a file" if path.suffix else "a folder"
    if stat.S_ISLNK(status.st_mode) or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        why = "it is a link, or no file at all"
    elif status.st_uid != os.geteuid():
        why = "it belongs to another user"
    elif stat.S_ISDIR(status.st_mode) and status.st_mode & 0o022:
        why = "others may write to it"
    else:
        return
    raise UnfitFileError(
        f"Compiled files are code, so {kind} of them has to be this user's own, but {path} is not fit: {why}. Delete "
        f"it, or name another folder in the environment variable {FOLDER_VARIABLE}.",
        path,
    )


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

    Raises:
        UnfitFileError: The folder or the file is not this user's alone.
    """
    digest = hashlib.sha256(content)
    digest.update(json.dumps(dict(conditions), sort_keys=True).encode())
    path = own_folder(kind) / f"{digest.hexdigest()[:32]}{suffix}"
    if os.path.lexists(path):
        _check_own(path, path.lstat())
        # So that the files used last are those that stay.
        os.utime(path)
        return path
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
