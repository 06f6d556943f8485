"""The exported graph and the meaning of each axis of each tensor in it."""

from .axes import Algebra, Axis, Concat
from .blueprint import Blueprint
from .candidate import Candidate, Choices, Selection
from .causes import Cause, causes, lines_of
from .comb import analyse, comb
from .draw import assemble, full, one_per_product, sample, uniform
from .findings import Block, Dim, Frozen, NotRemovable
from .forms import Edited, edited
from .patterns import pattern
from .scopes import Scope, scopes
from .sizes import Size
from .tracing import Trace, module_path, operator_name, source_line, trace, training_only

__all__ = [
    "Algebra",
    "Axis",
    "Block",
    "Blueprint",
    "Candidate",
    "Cause",
    "Choices",
    "Concat",
    "Dim",
    "Edited",
    "Frozen",
    "NotRemovable",
    "Scope",
    "Selection",
    "Size",
    "Trace",
    "analyse",
    "assemble",
    "causes",
    "comb",
    "edited",
    "full",
    "lines_of",
    "module_path",
    "one_per_product",
    "operator_name",
    "pattern",
    "sample",
    "scopes",
    "source_line",
    "trace",
    "training_only",
    "uniform",
]
