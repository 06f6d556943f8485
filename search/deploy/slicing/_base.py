"""What makes the files of candidates for timing, for each kind of file that runtimes take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from ..graph import Blueprint, Candidate
from .programs import ProgramSlicer
from .slicing import OnnxSlicer

Kind = Literal["onnx", "exported_program"]


class Slicer(Protocol):
    """Makes the file of any candidate of one blueprint, with random weights."""

    def slice(self, candidate: Candidate) -> bytes:
        """Return the file of a candidate's network.

        Raises:
            ValueError: The candidate does not belong to the blueprint.
            ExportError: It has no such file.
        """

    def part(self, candidate: Candidate, units: frozenset[str]) -> bytes:
        """Return the file of some units' operators only, or of the whole network where they cannot be cut out.

        Args:
            candidate: With all blocks.
            units: Node names of the calls that begin them.
        """

    def nodes(self, candidate: Candidate) -> dict[str, tuple[str, ...]]:
        """Return unit node name -> names, in a candidate's file, of what belongs to it."""


SLICERS: dict[Kind, Callable[[Blueprint, int], Slicer]] = {
    "onnx": OnnxSlicer,
    "exported_program": ProgramSlicer,
}
"""Kind of file -> what makes it, from a blueprint and a batch."""
