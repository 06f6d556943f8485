"""What do many timings say about any candidate network?"""

from .build import Job, Patience, build
from .compare import Change, NetworkDifference, TableDifference, compare_tables
from .compiled import Compiled, Slot
from .design import informative
from .errors import (
    CorruptTableError,
    ForeignTableError,
    LockedTableError,
    SparseTableError,
    TableError,
    UnknownPieceError,
)
from .families import Family, Grouping
from .fit import Bend, HeldOut, Pace, cross_validate
from .journal import Header, Origin, Record, StairsRecord, Store
from .journal.export import EXPORTS, marked_frame, write_frame
from .journal.merge import Merged, merge
from .journal.provenance import Provenance, provenance
from .journal.reading import read_table
from .kernels import KernelPredictor, Neighbours, held_out_hit_rate, hit_rate
from .keys import Piece, PieceKey
from .predict import Estimate, Predictor
from .rig import Rig
from .stairs import MOST_LEVELS, EvenStairs, Stairs, tread_edges
from .stairs.sweep import Sweep, adaptive, sweep
from .table import LatencyTable, NetworkRow, PieceRow

__all__ = [
    "Bend",
    "Change",
    "Compiled",
    "CorruptTableError",
    "EXPORTS",
    "Estimate",
    "EvenStairs",
    "Family",
    "ForeignTableError",
    "Grouping",
    "Header",
    "HeldOut",
    "Job",
    "KernelPredictor",
    "LatencyTable",
    "LockedTableError",
    "MOST_LEVELS",
    "Merged",
    "Neighbours",
    "NetworkDifference",
    "NetworkRow",
    "Origin",
    "Pace",
    "Patience",
    "Piece",
    "PieceKey",
    "PieceRow",
    "Predictor",
    "Provenance",
    "Record",
    "Rig",
    "Slot",
    "SparseTableError",
    "Stairs",
    "StairsRecord",
    "Store",
    "Sweep",
    "TableDifference",
    "TableError",
    "UnknownPieceError",
    "adaptive",
    "build",
    "compare_tables",
    "cross_validate",
    "held_out_hit_rate",
    "hit_rate",
    "informative",
    "marked_frame",
    "merge",
    "provenance",
    "read_table",
    "sweep",
    "tread_edges",
    "write_frame",
]
