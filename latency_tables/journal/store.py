"""The journal on disk: append-only JSON lines that a kill at any moment cannot spoil.

Every append is one line, flushed to the disk before it counts. What a kill can leave behind is a torn last line:
readers drop it with a note, the next writer cuts it off. A line damaged elsewhere is named and skipped. Nothing else is
ever rewritten.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwprofiles import MOST_JOURNAL_BYTES, excerpt, open_journal, parse_json, read_whole

from ..errors import CorruptTableError, LockedTableError
from .record import Header, Record, StairsRecord


@dataclass(frozen=True, slots=True)
class Contents:
    """Hold what a journal says.

    Attributes:
        header: None where the file is absent, empty, or was cut within its first line.
        records: Readable records of networks in the order of the file; a later one of the same job replaces an
            earlier one.
        notes: One sentence for each thing that was dropped.
        good_bytes: Length of the file up to the end of its last whole line.
        ends_open: Whether that last whole line lacks its line end.
        stairs: Readable records of sweeps, in the order of the file; a later one of the same class replaces an
            earlier one.
    """

    header: Header | None
    records: tuple[Record, ...]
    notes: tuple[str, ...]
    good_bytes: int
    ends_open: bool
    stairs: tuple[StairsRecord, ...] = ()


class Store:
    """Read and append to one journal file.

    Args:
        path: The file; its folder must exist. It is made by the first `writing`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> Contents:
        """Read all records that are whole; never changes the file.

        Raises:
            CorruptTableError: The header is unreadable or of an unknown format.
            UnfitFileError: The file is a link, no regular one, or too large.
        """
        return _parse(self.content(), str(self.path))

    def content(self) -> bytes:
        """Return the file's bytes; none where there is no file.

        Raises:
            UnfitFileError: It is a link, no regular file, or too large.
        """
        try:
            return read_whole(self.path, MOST_JOURNAL_BYTES)
        except FileNotFoundError:
            return b""

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Lock the journal, repair its tail and give a writer.

        The lock is held until the block ends, and falls with the process, however that ends.

        Raises:
            LockedTableError: Another process is writing.
            CorruptTableError: See `read`.
        """
        handle = open_journal(self.path)
        try:
            _lock(handle, self.path)
            yield Writer(handle, _repair(handle, self.read()))
        finally:
            os.close(handle)


class Writer:
    """Append lines to a locked journal; made by `Store.writing`.

    Attributes:
        contents: What the journal held when it was locked.
    """

    def __init__(self, handle: int, contents: Contents) -> None:
        self._handle = handle
        self.contents = contents

    def begin(self, header: Header) -> None:
        """Write the header of an empty journal.

        Raises:
            ValueError: The journal has one.
        """
        if self.contents.header is not None:
            raise ValueError("A journal has one header, and this one has it: open another file for another table.")
        self._line(header.to_json())

    def append(self, record: Record | StairsRecord) -> None:
        """Write one record; it is on the disk when this returns."""
        self._line(record.to_json())

    def _line(self, data: Mapping[str, Any]) -> None:
        line = (json.dumps(data, separators=(",", ":"), allow_nan=False) + "\n").encode()
        size = os.fstat(self._handle).st_size
        try:
            while line:
                line = line[os.write(self._handle, line) :]
            os.fsync(self._handle)
        except OSError:
            # A full disk must not leave half a line for the next append to continue.
            os.ftruncate(self._handle, size)
            raise


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LockedTableError(
            f"One process at a time writes a table, and another one is writing {path}: wait for it or stop it."
        ) from error


def _repair(handle: int, contents: Contents) -> Contents:
    """Cut off a torn last line, or end a whole one that lacks its line end."""
    os.ftruncate(handle, contents.good_bytes)
    if contents.ends_open:
        os.write(handle, b"\n")
    os.fsync(handle)
    return contents


def _parse(content: bytes, name: str) -> Contents:
    whole, tail = _split_tail(content)
    notes = []
    if tail:
        notes.append(f"The last line of {name} was torn ({len(tail)} bytes): dropped; its job will be measured again.")
    ends_open = bool(whole) and not whole.endswith(b"\n")
    lines = whole.split(b"\n")
    if not whole:
        return Contents(None, (), tuple(notes), 0, False)
    header = _header(lines[0], name)
    records: list[Record] = []
    stairs: list[StairsRecord] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            data = parse_json(line)
            if data["kind"] == "stairs":
                stairs.append(StairsRecord.from_json(data))
            else:
                records.append(Record.from_json(data))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{type(error).__name__}: {excerpt(error)}"
            notes.append(f"Line {number} of {name} is not a record ({why}): skipped; its job will be measured again.")
    return Contents(header, tuple(records), tuple(notes), len(whole), ends_open, tuple(stairs))


def _split_tail(data: bytes) -> tuple[bytes, bytes]:
    """Divide a file into its whole lines and a torn rest.

    A last line without its end counts as whole where it is a JSON object: only its line end was lost.
    """
    end = data.rfind(b"\n") + 1
    try:
        is_whole = isinstance(parse_json(data[end:]), dict)
    except ValueError:
        is_whole = False
    return (data, b"") if is_whole else (data[:end], data[end:])


def _header(line: bytes, name: str) -> Header:
    try:
        return Header.from_json(parse_json(line))
    except CorruptTableError as error:
        raise CorruptTableError(f"{name}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptTableError(
            f"The first line of a table says what it belongs to, but that of {name} is unreadable "
            f"({type(error).__name__}: {excerpt(error)}): put the header back from a copy or move the file away."
        ) from error
