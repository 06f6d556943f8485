"""Subnets for timing, with random weights: sliced from one exported ONNX file, or cut and exported as programs.

How each number in an ONNX file (the sizes of its constants, shape arguments, bounds, attributes) follows the widths is
not told by rules for operators: exporters decompose, fold, fuse and rename too freely for that. It is read off *several
real exports*: the unpruned network and one or more narrow ones, drawn so that neighbouring axes differ in size, are
exported by the very exporter; a number that differs between them follows the axis of the blueprint, nearest in the
graph, that has just these sizes. What has been read off is then checked on random candidates: every value of the
sliced file that equals a call of the graph must have that call's shape. Where it does not, another export is added.
"""

from ._base import Slicer
from .programs import GraphSlicer, ProgramSlicer
from .registry import SLICERS
from .slicer import OnnxSlicer

__all__ = ["SLICERS", "GraphSlicer", "OnnxSlicer", "ProgramSlicer", "Slicer"]
