"""From a blueprint and a latency table to the space that is searched."""

from __future__ import annotations

from collections.abc import Mapping

from latency_tables import EvenStairs, PieceKey, Predictor, Stairs

from ..graph import Axis, Blueprint, Choices, Dim, edited, one_per_product
from ..graph.pieces import PieceSpec, piece_specs
from .knobs import BlockKnob, PieceCells, WidthKnob
from .space import SearchSpace

Treads = Stairs | EvenStairs
"""What tells the widths worth having."""


def knobs_of(blueprint: Blueprint, stairs: Mapping[str, Treads]) -> tuple[tuple[WidthKnob, ...], tuple[BlockKnob, ...]]:
    """Return the width and block knobs of a blueprint on a runtime whose stairs are known.

    A dim that `offered` leaves out, or that has no stairs, has its full width as its only level; see `why_whole`.

    Args:
        blueprint: The combed network.
        stairs: Dim name -> the stairs of its class.
    """
    free = offered(blueprint)
    widths = tuple(WidthKnob(dim.name, _levels(dim, stairs if dim.name in free else {})) for dim in blueprint.dims)
    return widths, tuple(BlockKnob(block.name, block.hides) for block in blueprint.blocks)


def why_whole(blueprint: Blueprint, stairs: Mapping[str, Treads]) -> dict[str, str]:
    """Return dim name -> why it is on offer at its size only, for each dim that is."""
    free = offered(blueprint)
    found = {dim.name: _why(dim, stairs, dim.name in free) for dim in blueprint.dims}
    return {name: reason for name, reason in found.items() if reason is not None}


def _levels(dim: Dim, stairs: Mapping[str, Treads]) -> tuple[int, ...]:
    return stairs[dim.name].levels(dim.size, dim.least) if dim.name in stairs else (dim.size,)


def _why(dim: Dim, stairs: Mapping[str, Treads], is_free: bool) -> str | None:
    if not is_free:
        return "Another factor of its product, or a larger part of its concatenation, is on offer instead."
    if dim.least >= dim.size:
        return f"It may not become narrower than {dim.least}."
    if dim.name not in stairs:
        return "The stairs of its operators are not known."
    return stairs[dim.name].why_whole(dim.size, dim.least)


def offered(blueprint: Blueprint) -> frozenset[str]:
    """Return the dims whose width is on offer: a piece of the table follows at most one dim on each side.

    Of the factors of a product one is on offer; where a side is a concatenation, the largest of its dims is.
    """
    free = set(one_per_product(blueprint))
    for spec in piece_specs(blueprint):
        for axis in (spec.row, spec.column):
            dims = {dim.name: dim.size for dim in blueprint.dims_of(axis) if dim.name in free}
            free -= set(sorted(dims, key=lambda name: (-dims[name], name))[1:])
    return frozenset(free)


def derive(blueprint: Blueprint, predictor: Predictor, stairs: Mapping[str, Treads]) -> SearchSpace:
    """Return the space of a blueprint, each piece priced by the table at every width on offer.

    Args:
        blueprint: The combed network.
        predictor: Of its table.
        stairs: Dim name -> the stairs of its class.

    Raises:
        UnknownPieceError: The table lacks a family of pieces.
    """
    widths, blocks = knobs_of(blueprint, stairs)
    levels = {knob.dim: knob.levels for knob in widths}
    gates = _gates(blueprint)
    pieces = tuple(_cells(blueprint, predictor, spec, levels, gates[spec.node]) for spec in piece_specs(blueprint))
    return SearchSpace(widths, blocks, pieces, bend=predictor.bend)


def _gates(blueprint: Blueprint) -> dict[str, tuple[str, ...]]:
    """Return for each piece's node the blocks whose removal, alone, takes it away."""
    without = {block.name: edited(blueprint, Choices.without(block.name)).live for block in blueprint.blocks}
    return {
        spec.node: tuple(name for name, live in without.items() if spec.node not in live)
        for spec in piece_specs(blueprint)
    }


def _cells(
    blueprint: Blueprint,
    predictor: Predictor,
    spec: PieceSpec,
    levels: Mapping[str, tuple[int, ...]],
    blocks: tuple[str, ...],
) -> PieceCells:
    row, rows = _widths(blueprint, spec.row, levels)
    column, columns = _widths(blueprint, spec.column, levels)
    seconds = predictor.summands([PieceKey(spec.family, (i, o)) for o in rows for i in columns])
    return PieceCells(spec.name, row, column, seconds.reshape(len(rows), len(columns)), blocks)


def _widths(
    blueprint: Blueprint, axis: Axis, levels: Mapping[str, tuple[int, ...]]
) -> tuple[str | None, tuple[int, ...]]:
    """Return the dim that an axis follows (None where it is fixed) and its width at each of that dim's levels.

    Raises:
        ValueError: The axis follows several dims: this space prices pieces by at most one on each side.
    """
    dims = [dim for dim in blueprint.dims_of(axis) if len(levels[dim.name]) > 1]
    if not dims:
        return None, (blueprint.algebra.size(axis).count,)
    if len({dim.name for dim in dims}) > 1:
        raise ValueError(f"A piece's width follows at most one dim, but got {[dim.name for dim in dims]}.")
    dim = dims[0]
    return dim.name, tuple(blueprint.algebra.width(axis, {dim.atom: level}).count for level in levels[dim.name])
