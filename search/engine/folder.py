"""The run folder: whose it is, that only one process is at work in it, and how long its stages took."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from hwprofiles import check_plain, clear_unfinished, open_journal

from ..bundle import is_own, stored
from ..config import RunConfig, check_identity
from ..errors import RunFolderError
from ..folder import Folder, make_folder, translated

IDENTITY_FILE = "run.json"
LOCK_FILE = "run.lock"
STAGES_FILE = "stages.json"
_BOOKKEEPING = frozenset({IDENTITY_FILE, LOCK_FILE, STAGES_FILE})


@contextmanager
def open_folder(config: RunConfig, prepare: Callable[[Folder], None] | None = None) -> Iterator[Folder]:
    """Open or begin the folder of a run, alone.

    Args:
        config: What the run is told.
        prepare: Makes what the config names and only this process may write, once the folder is known to be its own.

    Raises:
        RunFolderError: It belongs to another config (which keys differ), another process is at work in it, the run
            would write over a file that the config names, it cannot be written, or the disk is full.
        UnfitFileError: A link or the like lies where a run has its files.
    """
    folder = Folder(config.run.out)
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


def _settle(folder: Folder) -> None:
    """Refuse links and the like among a run's own files, and delete what a killed process left of some."""
    check_plain(*(path for path in folder.path.iterdir() if is_own(path.name)))
    clear_unfinished(folder.path, folder.file("bundle"), *folder.path.glob("candidates/*"))


def _check_given(folder: Folder, config: RunConfig) -> None:
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


def _holds_work(folder: Folder) -> bool:
    """Tell whether a run has left anything: one that stopped at a mistake in its config leaves nothing to protect."""
    return any(file.name not in _BOOKKEEPING and file.suffix != ".part" for file in folder.path.iterdir())


@contextmanager
def _locked(folder: Folder) -> Iterator[None]:
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


def stage_seconds(folder: Folder, seconds: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return how long each finished stage took, after adding `seconds` to them."""
    known: dict[str, float] = folder.read_json(STAGES_FILE, stored.SECONDS) or {}
    if seconds:
        for name, value in seconds.items():
            known[name] = known.get(name, 0.0) + value
        folder.write_json(STAGES_FILE, known)
    return known


@contextmanager
def timed(folder: Folder, stage: str) -> Iterator[None]:
    """Add what happens meanwhile to the seconds of a stage."""
    began = time.monotonic()
    try:
        yield
    finally:
        stage_seconds(folder, {stage: time.monotonic() - began})
