"""What do many timings say about any candidate network?"""

from .build import Job, build
from .compare import Change, NetworkDifference, TableDifference, compare_tables
from .compiled import Compiled, Slot
from .errors import (
    CorruptTableError,
    ForeignTableError,
    LockedTableError,
    SparseTableError,
    TableError,
    UnknownUnitError,
)
from .export import EXPORTS, marked_frame, write_frame
from .keys import Unit, UnitKey
from .merge import Merged, merge
from .predict import Estimate, Predictor
from .provenance import Provenance, provenance
from .reading import read_table
from .record import Header, Record
from .store import Store
from .table import LatencyTable, NetworkRow, UnitRow
from .validate import HeldOut, cross_validate

__all__ = [
    "Change",
    "Compiled",
    "CorruptTableError",
    "EXPORTS",
    "Estimate",
    "ForeignTableError",
    "Header",
    "HeldOut",
    "Job",
    "LatencyTable",
    "LockedTableError",
    "Merged",
    "NetworkDifference",
    "NetworkRow",
    "Predictor",
    "Provenance",
    "Record",
    "Slot",
    "SparseTableError",
    "Store",
    "TableDifference",
    "TableError",
    "Unit",
    "UnitKey",
    "UnitRow",
    "UnknownUnitError",
    "build",
    "compare_tables",
    "cross_validate",
    "marked_frame",
    "merge",
    "provenance",
    "read_table",
    "write_frame",
]
