"""The contract of what makes the files of candidates for timing."""

from __future__ import annotations

from typing import Protocol

from ...graph import Candidate
from ...surgery import Subnet


class Slicer(Protocol):
    """Makes the file of any candidate of one blueprint, with random weights."""

    def network(self) -> Subnet:
        """Return the unpruned network with the weights that its file has."""

    def slice(self, candidate: Candidate) -> bytes:
        """Return the file of a candidate's network.

        Raises:
            ValueError: The candidate does not belong to the blueprint.
            ExportError: It has no such file.
        """

    def part(self, candidate: Candidate, pieces: frozenset[str]) -> bytes:
        """Return the file of some pieces' operators only, or of the whole network where they cannot be cut out.

        Args:
            candidate: With all blocks.
            pieces: Node names of the calls that begin them.
        """

    def nodes(self, candidate: Candidate) -> dict[str, tuple[str, ...]]:
        """Return piece node name -> names, in a candidate's file, of what belongs to it."""
