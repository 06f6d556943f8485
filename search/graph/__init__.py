"""The exported graph and the meaning of each axis of each tensor in it."""

from .axes import Algebra, Axis, Concat, Size
from .blueprint import Block, Blueprint, Dim, Frozen, NotRemovable
from .candidate import Candidate, Selection
from .comb import analyse, comb
from .draw import assemble, full, one_per_product, sample, uniform
from .trace import Trace, trace

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
    "Trace",
    "analyse",
    "assemble",
    "comb",
    "full",
    "one_per_product",
    "sample",
    "trace",
    "uniform",
]
