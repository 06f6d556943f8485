"""What a caller can act on. Misuse raises built-in exceptions instead.

LatheError
├── RuntimeUnavailableError   this machine or version cannot use the runtime or the target
├── ArtefactError             the runtime cannot load or run the file
├── UnfitFileError            a link, a pipe, a device or too much stands where a file belongs
└── UnstableError             a measurement that judged itself unstable was needed as a number
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class LatheError(Exception):
    """Root of all errors that a caller of Lathe can act on."""


class RuntimeUnavailableError(LatheError):
    """A runtime or a target cannot be used here.

    Attributes:
        reason: One sentence that says why.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ArtefactError(LatheError):
    """A runtime cannot load or run a file.

    Attributes:
        operator: Operator type that it failed on, or None where the runtime does not say.
    """

    def __init__(self, message: str, operator: str | None = None) -> None:
        super().__init__(message)
        self.operator = operator


class UnfitFileError(LatheError):
    """What lies at a path is no regular file of a size that is read.

    Attributes:
        path: Where it lies.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path


class UnstableError(LatheError):
    """A measurement is too unsteady to be used as a number.

    Attributes:
        reasons: One sentence for each threshold that was crossed.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("The measurement is unstable. " + " ".join(reasons))
        self.reasons = tuple(reasons)
