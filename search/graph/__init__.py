"""The exported graph and the meaning of each axis of each tensor in it."""

from .axes import Algebra, Axis, Concat, Size
from .blueprint import Block, Blueprint, Dim, Frozen, NotRemovable
from .candidate import Candidate, Selection
from .comb import comb
from .draw import assemble, full, sample, uniform

__all__ = [
    "Algebra",
    "Axis",
    "Block",
    "Blueprint",
    "Candidate",
    "Concat",
    "Dim",
    "Frozen",
    "NotRemovable",
    "Selection",
    "Size",
    "assemble",
    "comb",
    "full",
    "sample",
    "uniform",
]
