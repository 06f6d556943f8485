"""What do many timings say about any candidate network?"""

from .build import Job, build
from .compiled import Compiled, Slot
from .errors import (
    CorruptTableError,
    ForeignTableError,
    LockedTableError,
    SparseTableError,
    TableError,
    UnknownUnitError,
)
from .keys import Unit, UnitKey
from .predict import Estimate, Predictor
from .reading import read_table
from .record import Header, Record
from .store import Store
from .table import LatencyTable, NetworkRow, UnitRow
from .validate import HeldOut, cross_validate

__all__ = [
    "Compiled",
    "CorruptTableError",
    "Estimate",
    "ForeignTableError",
    "Header",
    "HeldOut",
    "Job",
    "LatencyTable",
    "LockedTableError",
    "NetworkRow",
    "Predictor",
    "Record",
    "Slot",
    "SparseTableError",
    "Store",
    "TableError",
    "Unit",
    "UnitKey",
    "UnitRow",
    "UnknownUnitError",
    "build",
    "cross_validate",
    "read_table",
]
