"""Which random subnets a table is built from: those that cover all cells of all units, few levels a dim."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np

from latency_tables import Job

from ..graph import Blueprint, Candidate, assemble, full
from ..graph.keys import unit_specs, units
from ..space import WidthKnob, thinned
from .slicing import OnnxSlicer

REMOVAL = 0.15
"""Probability with which a random subnet lacks a block: most cells need the block to be there."""

DRAWS = 24
"""Random subnets that each place in the design is chosen from."""


def covering(
    blueprint: Blueprint, widths: Sequence[WidthKnob], count: int, rng: np.random.Generator
) -> list[Candidate]:
    """Choose `count` different subnets that together cover as many (unit, width in, width out) cells as they can.

    Greedy: each place goes to the draw that adds most cells not yet covered (the first of equals).
    """
    offers = {knob.dim: thinned(knob.levels) for knob in widths}
    chosen: dict[Candidate, None] = {}
    covered: set[tuple[str, tuple[int, int]]] = set()
    for _ in range(count):
        draws = [_draw(blueprint, offers, rng) for _ in range(DRAWS)]
        fresh = [draw for draw in draws if draw not in chosen]
        if not fresh:
            break
        cells = [{(key.family, key.widths) for key in units(blueprint, draw).values()} for draw in fresh]
        best = max(range(len(fresh)), key=lambda i: len(cells[i] - covered))
        covered |= cells[best]
        chosen[fresh[best]] = None
    return list(chosen)


def _draw(blueprint: Blueprint, offers: Mapping[str, Sequence[int]], rng: np.random.Generator) -> Candidate:
    removed = [block.name for block in blueprint.blocks if rng.random() < REMOVAL]
    return assemble(blueprint, {dim: int(rng.choice(levels)) for dim, levels in offers.items()}, removed)


def smallest(blueprint: Blueprint, widths: Sequence[WidthKnob]) -> Candidate:
    """Return the subnet with every width at its least level and every block removed."""
    return assemble(
        blueprint, {knob.dim: knob.levels[0] for knob in widths}, [block.name for block in blueprint.blocks]
    )


def structure_digest(blueprint: Blueprint) -> str:
    """Return a content hash of the unpruned network's structure: units, sizes and blocks, not weights."""
    facts = {
        "units": [[spec.name, spec.family] for spec in unit_specs(blueprint)],
        "candidate": full(blueprint).to_json(),
        "graph": [[node.op, str(node.target)] for node in blueprint.graph.nodes],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def job(blueprint: Blueprint, slicer: OnnxSlicer, candidate: Candidate, origin: str = "level") -> Job:
    """Return what a table needs to time a candidate."""
    names = {spec.node: spec.name for spec in unit_specs(blueprint)}
    values = {names[node]: made for node, made in slicer.nodes(candidate).items()}
    keys = units(blueprint, candidate)
    return Job(
        f"{structure_digest(blueprint)}-{candidate.digest}",
        lambda: slicer.slice(candidate),
        {name: (key, values.get(name, ())) for name, key in keys.items()},
        origin,  # type: ignore[arg-type]
    )
