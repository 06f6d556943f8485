"""What can go wrong with a stored study.

LatheError                 (hwprofiles)
`-- StudyError             exit 2
    |-- StudyBusyError      another process works on the study
    |-- StudyMismatchError  the journal belongs to another study
    `-- CorruptStudyError   a line of the journal cannot be read
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from hwprofiles import LatheError, shown


class StudyError(LatheError):
    """A stored study cannot be used as it is."""

    exit_code: ClassVar[int] = 2


class StudyBusyError(StudyError):
    """Another process works on the study.

    Attributes:
        path: The journal.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"One process at a time works on a study, but another one holds {path.name}: "
            "wait for it to end, or give this study a file of its own."
        )
        self.path = path


class StudyMismatchError(StudyError):
    """The journal belongs to another study.

    Attributes:
        differs: What differs -> (value in the journal, value asked for).
    """

    def __init__(self, path: Path, differs: Mapping[str, tuple[Any, Any]]) -> None:
        listed = "; ".join(f"{name} is {there!r} there and {here!r} here" for name, (there, here) in differs.items())
        super().__init__(
            f"A journal continues only the study that it was started for, but {path.name} belongs to another one: "
            f"{listed}. Give this study a new file, or the settings that the journal was started with."
        )
        self.differs = dict(differs)


class CorruptStudyError(StudyError):
    """A line of the journal cannot be read.

    Attributes:
        path: The journal.
        line: Number of the line, from 1; None where it is not known.
    """

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        which = "a line" if line is None else f"line {line}"
        super().__init__(
            f"Each line of a study journal is one JSON object of the storage, but {which} of {path.name} is not "
            f"({shown(reason)}): restore the file from a copy, or move it away to start the study again."
        )
        self.path = path
        self.line = line
