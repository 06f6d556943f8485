"""Files, whole or not at all: the one place where they are written, and the rules by which they are opened.

A folder may have been filled by a stranger. So the file itself is never reached through a link, is a regular one, and
its size is looked at before it is read. Links among the folders that lead to it are the user's own affair.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import UnfitFileError

MOST_JSON_BYTES = 64 * 2**20
"""Size of a JSON document, such as a report, that is read at most."""

MOST_JOURNAL_BYTES = 512 * 2**20
"""Size of a journal that is read at most; a network of a table takes about a hundred kilobytes of it."""

_PART, _PART_END = ".lathe-", ".part"
_UNFINISHED = re.compile(rf"{re.escape(_PART)}[0-9a-f]{{16}}{re.escape(_PART_END)}")
_KINDS: Mapping[int, str] = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# A pipe must not make the opening wait, nor a terminal become this process's own.
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def write_whole(path: str | Path, data: bytes | memoryview) -> None:
    """Write a file that appears whole or not at all; see `writing_whole`."""
    with writing_whole(path) as file:
        file.write(data)


@contextmanager
def writing_whole(path: str | Path, *, replace: bool = True) -> Iterator[BinaryIO]:
    """Give a file to write to, which becomes the file at `path` when the block ends well.

    It is made anew under a random name in the same folder and is on the disk before it gets its own name, so that a
    kill leaves the old file or the new one. After any error nothing of it is left. A link at `path` is replaced, not
    followed.

    Args:
        path: The file; its folder must exist.
        replace: Whether it may take the place of one that is there.

    Raises:
        FileExistsError: There is one, and `replace` does not hold.
        OSError: The file cannot be written; the error names `path`.
    """
    path = Path(path)
    part = path.with_name(f"{_PART}{secrets.token_hex(8)}{_PART_END}")
    with _named(path):
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _place(part, path, replace=replace)
        finally:
            part.unlink(missing_ok=True)
        sync_folder(path.parent)


def make_whole(path: str | Path, make: Callable[[Path], None]) -> None:
    """Let something write a file by its name; it appears whole or not at all.

    Args:
        path: The file; its folder must exist.
        make: Given another name for it, in a new folder that only this user can enter. Its errors pass through.

    Raises:
        UnfitFileError: What it made is no regular file.
        OSError: The file cannot be written.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=_PART, suffix=_PART_END) as folder:
        part = Path(folder) / path.name
        make(part)
        handle = _opened(part, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(part, path)
    sync_folder(path.parent)


def clear_unfinished(*folders: Path) -> None:
    """Delete what killed processes left of files that they were writing in some folders.

    Only for folders that belong to this process alone: what another one is writing would go, too.
    """
    for folder in folders:
        for entry in os.scandir(folder) if folder.is_dir() else ():
            if _UNFINISHED.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                Path(entry).unlink(missing_ok=True)


def open_journal(path: str | Path) -> int:
    """Open a file for reading and appending, and make it where there is none; the caller closes the handle.

    Raises:
        UnfitFileError: It is a link or no regular file.
        OSError: It cannot be opened.
    """
    is_new = not os.path.lexists(path)
    handle = _opened(Path(path), os.O_RDWR | os.O_CREAT | os.O_APPEND)
    if is_new:
        sync_folder(Path(path).parent)
    return handle


@contextmanager
def opened_whole(path: str | Path, most: int) -> Iterator[BinaryIO]:
    """Open a regular file of a bounded size for reading.

    Args:
        path: The file.
        most: Its size in bytes, at most.

    Raises:
        UnfitFileError: It is a link, no regular file, or too large.
        OSError: There is none, or it cannot be read.
    """
    path = Path(path)
    with os.fdopen(_opened(path, os.O_RDONLY), "rb") as file:
        _check_size(path, os.fstat(file.fileno()).st_size, most)
        yield file


def read_whole(path: str | Path, most: int) -> bytes:
    """Return what a regular file of a bounded size holds; see `opened_whole`."""
    with opened_whole(path, most) as file:
        # Reading sets aside as much as is asked for, so no more than there is; one byte more shows that it grows.
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1)
        while len(data) > size:
            _check_size(Path(path), len(data), most)
            size = len(data)
            data += file.read(min(1 << 20, most + 1 - size))
    _check_size(Path(path), len(data), most)
    return data


def read_rest(handle: int, path: str | Path, most: int) -> bytes:
    """Return what a journal holds from where its handle stands; see `open_journal`.

    Raises:
        UnfitFileError: It is more than `most` bytes.
    """
    _check_size(Path(path), os.fstat(handle).st_size, most)
    found = bytearray()
    while piece := os.read(handle, 1 << 20):
        found += piece
        _check_size(Path(path), len(found), most)
    return bytes(found)


def check_plain(*paths: Path, deep: bool = True, folders: bool = True) -> None:
    """Check that what lies at some paths, if anything, is no link, pipe or device.

    Args:
        paths: Of files and folders.
        deep: Whether all that is below the folders has to be so, too.
        folders: Whether they may be folders at all.

    Raises:
        UnfitFileError: One is; it is named.
    """
    pending = list(paths)
    while pending:
        path = pending.pop()
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(mode) and folders:
            pending += path.iterdir() if deep else ()
        elif not stat.S_ISREG(mode):
            raise _unfit(path, mode)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the file system knows how to."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as exc:
        # Some network file systems write names at once and refuse this.
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _opened(path: Path, flags: int) -> int:
    """Open a regular file, not through a link."""
    try:
        # Some devices act on being opened, so they are refused before; the check below is what counts.
        check_plain(path, folders=False)
        handle = os.open(path, flags | _SAFELY, 0o666)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO):
            raise _unfit(path, path.lstat().st_mode) from exc
        raise
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise _unfit(path, mode)
    return handle


def _unfit(path: Path, mode: int) -> UnfitFileError:
    kind = _KINDS.get(stat.S_IFMT(mode), "of another kind")
    return UnfitFileError(
        f"Lathe reads and writes regular files only, never through a link, but {path} is {kind}: put the file itself "
        "in its place, or do not trust the folder that holds it.",
        path,
    )


def _check_size(path: Path, found: int, most: int) -> None:
    if found > most:
        raise UnfitFileError(
            f"A file of this kind is read up to {most:,} bytes, but {path} has {found:,} or more: restore it, or do "
            "not trust the folder that holds it.",
            path,
        )


def _place(part: Path, path: Path, *, replace: bool) -> None:
    if replace:
        os.replace(part, path)
    else:
        # A link, unlike a rename, never takes the place of a file that came to be meanwhile.
        os.link(part, path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let errors name the file that was meant, not the random name."""
    try:
        yield
    except OSError as exc:
        if isinstance(exc.filename, str) and Path(exc.filename).name.startswith(_PART):
            raise OSError(exc.errno, exc.strerror, str(path)) from exc
        raise
