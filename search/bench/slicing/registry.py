"""The table of what makes the files of candidates, for each kind of file that runtimes take."""

from __future__ import annotations

from collections.abc import Callable

from hwprofiles import ArtefactKind

from ...graph import Blueprint
from ._base import Slicer
from .programs import GraphSlicer, ProgramSlicer
from .slicer import OnnxSlicer

SLICERS: dict[ArtefactKind, Callable[[Blueprint, int], Slicer]] = {
    "onnx": OnnxSlicer,
    "exported_program": ProgramSlicer,
    "torch_graph": GraphSlicer,
}
"""Kind of file -> what makes it, from a blueprint and a batch."""
