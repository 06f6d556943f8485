"""What do many timings say about any candidate network?"""

from .bend import Bend
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
from .kernels import KernelPredictor, held_out_hit_rate, hit_rate
from .keys import Unit, UnitKey
from .predict import Estimate, Predictor
from .reading import read_table
from .record import Header, Record
from .store import Store
from .table import LatencyTable, NetworkRow, UnitRow
from .validate import HeldOut, cross_validate

__all__ = [
    "Bend",
    "Compiled",
    "CorruptTableError",
    "Estimate",
    "ForeignTableError",
    "Header",
    "HeldOut",
    "Job",
    "KernelPredictor",
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
    "held_out_hit_rate",
    "hit_rate",
    "read_table",
]
