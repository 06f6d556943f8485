"""The journal file of a study: one process at a time, whole lines only.

A kill leaves three traces, all cleared when the journal is opened: a torn last line (Optuna ignores it while reading,
but would append to it and never read the file again), the storage's own lock (others would wait half a minute), and
unfinished trials, which are the study's business.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from hwprofiles import MOST_JOURNAL_BYTES, LatheError, read_rest
from hwprofiles import open_journal as open_file

from .errors import CorruptStudyError, StudyBusyError

FIRST_KEY = b'{"op_code"'
"""How each line of the storage begins; a torn line of anything else is not ours to cut off."""


@contextmanager
def open_journal(path: Path) -> Iterator[JournalStorage]:
    """Open a journal for this process alone, creating or repairing it.

    Raises:
        StudyBusyError: Another process has it open.
        CorruptStudyError: A line other than a torn last one cannot be read.
        UnfitFileError: It is a link, no regular file, or too large.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(open_file(path), "ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise StudyBusyError(path) from exc
        _repair(file, path)
        _clear_locks(path)
        with reading(path):
            storage = JournalStorage(JournalFileBackend(str(path)))
        yield storage


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say that a journal is damaged where what its lines hold cannot be used.

    Raises:
        CorruptStudyError: So it is.
    """
    try:
        yield
    except LatheError:
        raise
    # Each line is JSON, but the storage looks at nothing else before it uses it, and may fail in any way.
    except Exception as exc:
        raise CorruptStudyError(path, None, f"{type(exc).__name__}: {exc}") from exc


def _repair(file: BinaryIO, path: Path) -> None:
    """Cut off a torn last line; the step that it belonged to is done again."""
    file.seek(0)
    *lines, torn = read_rest(file.fileno(), path, MOST_JOURNAL_BYTES).split(b"\n")
    for number, line in enumerate(lines, start=1):
        _check_line(line, path, number)
    if not torn:
        return
    if torn[: len(FIRST_KEY)] != FIRST_KEY[: len(torn)]:
        raise CorruptStudyError(path, len(lines) + 1, "it is no line of a study")
    file.truncate(sum(len(line) + 1 for line in lines))
    os.fsync(file.fileno())


def _check_line(line: bytes, path: Path, number: int) -> None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise CorruptStudyError(path, number, str(exc)) from exc
    if not isinstance(entry, dict) or "op_code" not in entry:
        raise CorruptStudyError(path, number, "it has no op_code")


def _clear_locks(path: Path) -> None:
    # We hold the file itself, so whoever made these was killed. The names are those of Optuna's lock.
    lock = f"{path.name}.lock"
    for left in list(path.parent.iterdir()):
        if left.name == lock or (left.name.startswith(lock) and left.suffix == ".rename"):
            left.unlink(missing_ok=True)
