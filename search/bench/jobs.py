"""What a table is given of a candidate: its key, its file, and which of the file's nodes belong to which piece."""

from __future__ import annotations

import hashlib
import json

from latency_tables import Job

from ..graph import Blueprint, Candidate, full
from ..graph.pieces import piece_specs, pieces
from .slicing import Slicer


def structure_digest(blueprint: Blueprint) -> str:
    """Return a content hash of the unpruned network's structure: pieces, sizes and blocks, not weights."""
    facts = {
        "units": [[spec.name, str(spec.family)] for spec in piece_specs(blueprint)],
        "candidate": full(blueprint).to_json(),
        "graph": [[node.op, str(node.target)] for node in blueprint.graph.nodes],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def job(blueprint: Blueprint, slicer: Slicer, candidate: Candidate, origin: str = "level") -> Job:
    """Return what a table needs to time a candidate."""
    names = {spec.node: spec.name for spec in piece_specs(blueprint)}
    values = {names[node]: made for node, made in slicer.nodes(candidate).items()}
    keys = pieces(blueprint, candidate)
    return Job(
        f"{structure_digest(blueprint)}-{candidate.digest}",
        lambda: slicer.slice(candidate),
        {name: (key, values.get(name, ())) for name, key in keys.items()},
        origin,  # type: ignore[arg-type]
    )
