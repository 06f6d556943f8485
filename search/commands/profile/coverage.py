"""Which cells of a space no timed network covers: what the table has to interpolate, or does not know at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from latency_tables import LatencyTable

from ...bench import Bench
from ...graph import Axis, Blueprint
from ...graph.pieces import piece_specs
from ...space import thinned

_Cell = tuple[str, tuple[int, int]]
_Level = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Count what the space of a table has, and what of it no timed network covers.

    Attributes:
        cells: Number of (family, width in, width out) at the widths that a table is built from.
        missing_cells: Those that no timed network has, sorted; they are interpolated.
        families: Number of families of pieces.
        missing_families: Those of no timed network, or without a node in the runtime's profile; their time is unknown.
        levels: Number of (dim, width) that a table is built from.
        missing_levels: Those of no timed network, sorted.
    """

    cells: int
    missing_cells: tuple[_Cell, ...]
    families: int
    missing_families: tuple[str, ...]
    levels: int
    missing_levels: tuple[_Level, ...]

    def to_json(self) -> dict[str, Any]:
        """Return counts and shares, and the names of what is unknown."""
        sizes = {
            "cells": (len(self.missing_cells), self.cells),
            "families": (len(self.missing_families), self.families),
            "levels": (len(self.missing_levels), self.levels),
        }
        counts = {
            name: {"count": missing, "of": total, "share": missing / total if total else 0.0}
            for name, (missing, total) in sizes.items()
        }
        return counts | {"unknown_families": list(self.missing_families)}


def coverage(bench: Bench, table: LatencyTable) -> Coverage:
    """Hold the cells that the space can reach against those of the timed networks."""
    blueprint, levels = bench.blueprint, {knob.dim: thinned(knob.levels) for knob in bench.widths}
    seen = {(piece.name, piece.key.widths) for row in table.rows for piece in row.pieces}
    timed = {(str(piece.key.family), piece.key.widths) for row in table.rows for piece in row.pieces}
    has_shares = any(piece.share is not None for row in table.rows for piece in row.pieces)
    known = {
        str(piece.key.family) for row in table.rows for piece in row.pieces if piece.share is not None or not has_shares
    }
    cells: set[_Cell] = set()
    every: set[_Level] = set()
    found: set[_Level] = set()
    specs = piece_specs(blueprint)
    for spec in specs:
        column, columns = _widths(blueprint, spec.column, levels)
        row, rows = _widths(blueprint, spec.row, levels)
        pairs = [(i, o) for i in columns for o in rows if column is None or column != row or columns[i] == rows[o]]
        cells |= {(str(spec.family), pair) for pair in pairs}
        for dim, widths, side in ((column, columns, 0), (row, rows, 1)):
            if dim is not None:
                every |= {(dim, level) for level in widths.values()}
                here = {pair[side] for name, pair in seen if name == spec.name}
                found |= {(dim, level) for width, level in widths.items() if width in here}
    families = {str(spec.family) for spec in specs}
    return Coverage(
        len(cells),
        tuple(sorted(cells - timed)),
        len(families),
        tuple(sorted(families - known)),
        len(every),
        tuple(sorted(every - found)),
    )


def _widths(
    blueprint: Blueprint, axis: Axis, levels: Mapping[str, tuple[int, ...]]
) -> tuple[str | None, dict[int, int]]:
    """Return the dim that an axis follows (None where it is fixed) and its width -> that dim's level."""
    dims = [dim for dim in blueprint.dims_of(axis) if len(levels[dim.name]) > 1]
    if not dims:
        return None, {blueprint.algebra.size(axis).count: 0}
    dim = dims[0]
    return dim.name, {blueprint.algebra.width(axis, {dim.atom: at}).count: at for at in levels[dim.name]}
