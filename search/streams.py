"""Standard output and standard error: that they are there, and what to do where they cannot be written."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

BROKEN_PIPE = 141
"""Exit status where nobody reads the answer any more, as in `lathe ... | head -1`: 128 + SIGPIPE, as of other programs
that write to a closed pipe, so that a shell's `pipefail` sees it. Nothing is printed."""

UNWRITTEN = 3
"""Exit status where the answer cannot be written, such as to a full disk."""


class Unwritten(BaseException):
    """A standard stream cannot be written. It passes by whatever handles the failures of other files.

    Attributes:
        status: What the process is to end with.
    """

    def __init__(self, number: int, reason: OSError) -> None:
        name = {1: "standard output", 2: "standard error"}[number]
        super().__init__(
            f"error: What a command says must be written to {name}, but that failed ({reason.strerror}): make room, or "
            "send it elsewhere."
        )
        self.is_worth_telling = not isinstance(reason, BrokenPipeError)
        self.status = UNWRITTEN if self.is_worth_telling else BROKEN_PIPE


class _Guarded(io.FileIO):
    """A standard stream that says so where it cannot be written, and after that takes everything and drops it.

    Python would write the rest once more at its end, and complain.
    """

    _is_lost = False

    def write(self, data: Any, /) -> int:
        if self._is_lost:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as exc:
            self._is_lost = True
            raise Unwritten(self.fileno(), exc) from exc


def guard() -> bool:
    """Guard both streams, and return whether standard output is open.

    What is closed is put on the null device: otherwise the next file that is opened would become standard output, and
    be written to.
    """
    is_open = [_is_open(number) for number in (0, 1, 2)]
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdout, sys.stderr = _guarded(1, sys.stdout), _guarded(2, sys.stderr)
    return is_open[1]


def tell(text: str) -> None:
    """Write a line to standard error, whatever its state."""
    try:
        os.write(2, text.encode(errors="backslashreplace") + b"\n")
    except OSError:
        # Nobody is there to read it.
        return


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _guarded(number: int, present: TextIO | None) -> TextIO:
    raw = _Guarded(number, "w", closefd=False)
    encoding = "utf-8" if present is None else present.encoding
    # A file's name may hold bytes that are no text, and a terminal may know few characters.
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=number == 2 or raw.isatty()
    )
