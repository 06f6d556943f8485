"""A folder whose files are written whole or not at all, so that a kill loses one step at most."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwprofiles import MOST_JSON_BYTES, Shape, check_shape, parse_json, read_whole, write_whole

from .errors import RunFolderError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR})


class Folder:
    """A folder that belongs to one process at a time."""

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

    def step(self, name: str, shape: Shape, make: Callable[[], Any]) -> Any:
        """Return what a JSON file holds; where there is none, make it and write it: a step that is done once.

        Args:
            name: The file.
            shape: See `read_json`.
            make: Computes what the file will hold.

        Raises:
            RunFolderError: It is damaged.
            UnfitFileError: It is a link, no regular file, or too large.
        """
        found = self.read_json(name, shape)
        if found is None:
            found = make()
            self.write_json(name, found)
        return found


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
