"""The journal that a table is read from: its lines, the file, who may write it, and what is made of whole journals.

`record` and `store` are exported: tables are made of them. What needs a table itself (reading, claiming, merging,
provenance, exporting) is imported from its own file, since a room must not need what stands upon it.
"""

from .record import BASELINE, SUBNET, Header, Origin, PieceNodes, Record, StairsRecord
from .store import Store, Writer

__all__ = [
    "BASELINE",
    "Header",
    "Origin",
    "Record",
    "SUBNET",
    "StairsRecord",
    "Store",
    "PieceNodes",
    "Writer",
]
