"""A network on disk, and what a target is given of it: its ONNX file, or a program made of the stored network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hwprofiles import ArtefactKind

from ..surgery import from_bytes
from .slicing import program_bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The files of one network.

    Attributes:
        onnx: Its ONNX file.
        graph: Its graph, as `search.surgery.to_bytes` writes it.
        weights: Its weights, likewise.
    """

    onnx: Path
    graph: Path
    weights: Path

    def files(self, kind: ArtefactKind) -> tuple[Path, ...]:
        """Return the files that are needed for a runtime that takes this kind of artefact."""
        return (self.onnx,) if kind == "onnx" else (self.graph, self.weights)

    def content(self, kind: ArtefactKind, batch: int) -> bytes:
        """Return what such a runtime loads.

        A program is made of the stored network each time: torch's reader can run code from a program's file, so none
        is read that has lain on a disk.

        Args:
            kind: What the runtime takes.
            batch: Its batch size; an ONNX file is of one already.

        Raises:
            BundleError: The stored network is damaged.
            ExportError: It does not export.
        """
        found = [path.read_bytes() for path in self.files(kind)]
        return found[0] if kind == "onnx" else program_bytes(from_bytes(*found), batch)

    def digest(self, kind: ArtefactKind) -> str:
        """Return the SHA-256 of those files, one after the other."""
        digest = hashlib.sha256()
        for path in self.files(kind):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def digests(self) -> dict[str, str]:
        """Return the name of each file and its SHA-256."""
        paths = (self.onnx, self.graph, self.weights)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
