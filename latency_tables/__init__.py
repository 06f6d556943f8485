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
from .record import Header, Origin, Record, StairsRecord
from .stairs import MOST_LEVELS, Stairs, tread_edges
from .store import Store
from .sweep import Sweep, adaptive, sweep
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
    "MOST_LEVELS",
    "NetworkRow",
    "Origin",
    "Predictor",
    "Record",
    "Slot",
    "SparseTableError",
    "Stairs",
    "StairsRecord",
    "Store",
    "Sweep",
    "TableError",
    "Unit",
    "UnitKey",
    "UnitRow",
    "UnknownUnitError",
    "adaptive",
    "build",
    "cross_validate",
    "held_out_hit_rate",
    "hit_rate",
    "read_table",
    "sweep",
    "tread_edges",
]
