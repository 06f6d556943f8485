"""A network on disk, and what a target is given of it: its ONNX file, or a program made of the stored network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hwprofiles import MOST_ONNX_BYTES, ArtefactError, ArtefactKind, check_onnx, read_whole

from ..errors import BundleError
from ..surgery import MOST_GRAPH_BYTES, MOST_RUN_BYTES, MOST_WEIGHTS_BYTES, from_bytes
from .program_file import program_bytes

_MOST = {".onnx": MOST_ONNX_BYTES, ".json": MOST_GRAPH_BYTES, ".safetensors": MOST_WEIGHTS_BYTES}


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

    def content(self, kind: ArtefactKind, batch: int, most_bytes: int = MOST_RUN_BYTES) -> bytes:
        """Return what such a runtime loads.

        A program is made of the stored network each time: torch's reader can run code from a program's file, so none
        is read that has lain on a disk.

        Args:
            kind: What the runtime takes.
            batch: Its batch size; an ONNX file is of one already.
            most_bytes: Memory that a stored network may ask for when it runs, its weights apart.

        Raises:
            BundleError: The ONNX file or the stored network is damaged, calls what it may not, or asks for more memory.
            UnfitFileError: A file is a link, no regular one, or too large.
            ExportError: It does not export.
        """
        if kind == "onnx":
            content = read_whole(self.onnx, MOST_ONNX_BYTES)
            try:
                check_onnx(content)
            except ArtefactError as exc:
                raise BundleError(f"{self.onnx} cannot be used. {exc}") from exc
            return content
        found = [content_of(path) for path in self.files(kind)]
        return program_bytes(from_bytes(*found, most_bytes=most_bytes, batch=batch), batch)

    def digest(self, kind: ArtefactKind) -> str:
        """Return the SHA-256 of those files, one after the other."""
        digest = hashlib.sha256()
        for path in self.files(kind):
            digest.update(content_of(path))
        return digest.hexdigest()

    def digests(self) -> dict[str, str]:
        """Return the name of each file and its SHA-256."""
        paths = (self.onnx, self.graph, self.weights)
        return {path.name: hashlib.sha256(content_of(path)).hexdigest() for path in paths}


def content_of(path: Path) -> bytes:
    """Return what a file of a network holds; its ending says how much that may be.

    Raises:
        UnfitFileError: It is a link, no regular file, or too large.
        OSError: It cannot be read.
    """
    return read_whole(path, _MOST[path.suffix])
