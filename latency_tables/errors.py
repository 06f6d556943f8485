"""What can go wrong with a table and what a caller can do about it.

```
LatheError (hwprofiles)
└── TableError
    ├── ForeignTableError     another machine's or another target's table
    ├── CorruptTableError     no readable header, or a format that this version does not know
    ├── LockedTableError      another process is writing it
    ├── SparseTableError      too few networks to predict from
    └── UnknownPieceError      a piece of a family that was never measured
```
"""

from __future__ import annotations

from collections.abc import Sequence

from hwprofiles import LatheError


class TableError(LatheError):
    """Stand for everything that a latency table can refuse."""


class ForeignTableError(TableError):
    """Say that a table belongs to another machine or target."""


class CorruptTableError(TableError):
    """Say that a journal cannot be read at all."""


class LockedTableError(TableError):
    """Say that another process is writing the journal."""


class SparseTableError(TableError):
    """Say that a table holds too few networks to predict from."""


class UnknownPieceError(TableError):
    """Say which families of pieces were never measured.

    Attributes:
        families: All unknown families of the request, sorted.
    """

    def __init__(self, message: str, families: Sequence[str]) -> None:
        super().__init__(message)
        self.families = tuple(sorted(families))
