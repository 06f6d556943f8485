"""The run folder: one run's files, each written whole or not at all, so that a kill loses one step at most."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwprofiles import (
    MOST_JSON_BYTES,
    Shape,
    check_plain,
    check_shape,
    clear_unfinished,
    open_journal,
    parse_json,
    read_whole,
    write_whole,
)

from ..config import RunConfig, check_identity
from ..errors import RunFolderError
from . import stored
from .layout import is_own

IDENTITY_FILE = "run.json"
LOCK_FILE = "run.lock"
STAGES_FILE = "stages.json"
_BOOKKEEPING = frozenset({IDENTITY_FILE, LOCK_FILE, STAGES_FILE})

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR})


class RunFolder:
    """A folder that belongs to one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        """Return the path of a file in the folder."""
        return self.path / name

    def write(self, name: str, data: bytes) -> Path:
        """Write a file whole; its folder is made."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, data)
        return target

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file whole."""
        return self.write(name, json.dumps(value, indent=1, allow_nan=False).encode())

    def read_json(self, name: str, shape: Shape = object) -> Any:
        """Return what a JSON file holds, or None where there is none.

        Args:
            name: The file.
            shape: What it must be like; see `hwprofiles.check_shape`.

        Raises:
            RunFolderError: It is damaged.
            UnfitFileError: It is a link, no regular file, or too large.
        """
        target = self.path / name
        try:
            found = parse_json(read_whole(target, MOST_JSON_BYTES))
            check_shape(found, shape, "its content")
        except FileNotFoundError:
            return None
        except ValueError as exc:
            raise RunFolderError(
                f"{target} must hold JSON as a run writes it, but reading failed ({exc}): delete it to go on."
            ) from exc
        return found


@contextmanager
def open_folder(config: RunConfig, prepare: Callable[[RunFolder], None] | None = None) -> Iterator[RunFolder]:
    """Open or begin the folder of a run, alone.

    Args:
        config: What the run is told.
        prepare: Makes what the config names and only this process may write, once the folder is known to be its own.

    Raises:
        RunFolderError: It belongs to another config (which keys differ), another process is at work in it, the run
            would write over a file that the config names, it cannot be written, or the disk is full.
        UnfitFileError: A link or the like lies where a run has its files.
    """
    folder = RunFolder(config.run.out)
    with translated(config.run.out), _locked(folder):
        _settle(folder)
        _check_given(folder, config)
        found = folder.read_json(IDENTITY_FILE, stored.IDENTITY)
        if prepare is not None:
            if found is not None:
                check_identity(found, config, weights=False)
            prepare(folder)
        if found is not None and _holds_work(folder):
            check_identity(found, config)
        elif found != config.identity():
            folder.write_json(IDENTITY_FILE, config.identity())
        yield folder


def _settle(folder: RunFolder) -> None:
    """Refuse links and the like among a run's own files, and delete what a killed process left of some."""
    check_plain(*(path for path in folder.path.iterdir() if is_own(path.name)))
    clear_unfinished(folder.path, folder.file("bundle"), *folder.path.glob("candidates/*"))


def _check_given(folder: RunFolder, config: RunConfig) -> None:
    """Refuse a run that would write over what it was given.

    Raises:
        RunFolderError: A file that the config names is one of those that a run writes into its folder.
    """
    for given in config.given():
        try:
            inside = given.resolve().relative_to(folder.path.resolve()).parts
        except ValueError:
            continue
        if inside and is_own(inside[0]):
            raise RunFolderError(
                f"A run never writes over what it was given, but the config names {given}, and {inside[0]} is a name "
                f"that the run itself uses in its folder {folder.path}: move that file, or name another folder in "
                "[run] out."
            )


def _holds_work(folder: RunFolder) -> bool:
    """Tell whether a run has left anything: one that stopped at a mistake in its config leaves nothing to protect."""
    return any(file.name not in _BOOKKEEPING and file.suffix != ".part" for file in folder.path.iterdir())


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that says what to do."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            raise RunFolderError(
                f"The disk that holds {path} is full. Nothing that was finished is lost: make room, then run the same "
                "command again."
            ) from exc
        if exc.errno in _REFUSED and _concerns(exc, path):
            raise _not_writable(exc, path) from exc
        raise


def _concerns(exc: OSError, path: Path) -> bool:
    """Tell whether an error is about a run folder, and not about some file of the user's code."""
    if not isinstance(exc.filename, str):
        return exc.filename is None
    place, named = path.absolute(), Path(exc.filename).absolute()
    return named.is_relative_to(place) or place.is_relative_to(named)


def _not_writable(exc: OSError, path: Path) -> RunFolderError:
    return RunFolderError(
        f"The run folder must be writable, but {exc.filename or path} is not ({exc.strerror}): name another in [run] "
        "out, or change its permissions."
    )


def make_folder(path: Path) -> None:
    """Make a run folder where there is none.

    Raises:
        RunFolderError: It cannot be had: a file is in the way, a link leads nowhere, or writing is not allowed.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        if exc.errno in _FULL:
            raise
        raise _not_writable(exc, path) from exc


@contextmanager
def _locked(folder: RunFolder) -> Iterator[None]:
    make_folder(folder.path)
    with os.fdopen(open_journal(folder.file(LOCK_FILE)), "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise RunFolderError(
                f"One process at a time works in a run folder, and one is at work in {folder.path}: wait for it, or "
                "name another folder in [run] out."
            ) from exc
        yield


def stage_seconds(folder: RunFolder, seconds: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return how long each finished stage took, after adding `seconds` to them."""
    known: dict[str, float] = folder.read_json(STAGES_FILE, stored.SECONDS) or {}
    if seconds:
        for name, value in seconds.items():
            known[name] = known.get(name, 0.0) + value
        folder.write_json(STAGES_FILE, known)
    return known
