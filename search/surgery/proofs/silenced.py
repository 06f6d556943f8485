"""A cut network equals the full one in which the cut units are silent."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import fx

from ...graph import Blueprint, Candidate, Selection
from ...graph.kept import Slices
from ...graph.rules import Axes
from ..cut import cut
from ..subnet import Subnet
from ._base import Proof, compare_runs, draw_like
from .permutation import PERMUTATION_TOLERANCE
from .scrambled import scramble


def silenced(blueprint: Blueprint, selection: Selection, rng: np.random.Generator) -> Proof:
    """Multiply cut units by zero wherever they are summed, in the full network, and compare with the cut one.

    This holds where units pass each by itself from their producers to their consumers. Where a normalisation, a
    softmax or a mean lets the presence of one unit change another, it does not: such dims stay whole here, and the
    proof says which. In float64, with scrambled parameters.
    """
    scrambled = scramble(blueprint, rng)
    blended = _blended(blueprint, selection.candidate)
    kept = {d.name for d in blueprint.dims if d.atom in blended or selection.candidate.dims.get(d.name) == d.size}
    left_out = sorted(d.name for d in blueprint.dims if d.atom in blended and _is_cut(d.name, d.size, selection))
    applies = selection.candidate.removed or set(selection.candidate.dims) - kept
    if not applies:
        why = f"units of each other change in {', '.join(left_out)}" if left_out else "nothing was cut"
        return Proof("silenced", None, 0.0, PERMUTATION_TOLERANCE, not left_out, why)
    part = _widened(blueprint, selection, kept)
    small = cut(scrambled, part)
    whole = cut(scrambled, _widened(blueprint, selection, {dim.name for dim in blueprint.dims}))
    _silence(whole, blueprint, part)
    inputs = draw_like(blueprint.trace, rng, torch.float64)
    note = f"kept whole: {', '.join(left_out)}" if left_out else ""
    return compare_runs("silenced", whole, small, inputs, PERMUTATION_TOLERANCE, exact=not left_out, note=note)


def _is_cut(name: str, size: int, selection: Selection) -> bool:
    return selection.candidate.dims.get(name, size) < size


def _blended(blueprint: Blueprint, candidate: Candidate) -> set[int]:
    """Return the atoms whose units change each other somewhere in the network that is left."""
    live = {node.name for node in blueprint.live(candidate.removed)}
    return {
        leaf
        for name, flow in blueprint.flows.items()
        if name in live
        for axis in flow.blended
        for leaf in blueprint.algebra.leaves(axis)
    }


def _widened(blueprint: Blueprint, selection: Selection, whole: Iterable[str]) -> Selection:
    """Return the selection with these dims at full width."""
    sizes = {dim.name: (dim.size, dim.outer) for dim in blueprint.dims if dim.name in set(whole)}
    old = selection.candidate
    widths = {name: sizes[name][0] if name in sizes else width for name, width in old.dims.items()}
    rows = {
        name: [range(sizes[name][0])] * sizes[name][1] if name in sizes else selection.keep[name] for name in widths
    }
    return Selection(Candidate(widths, old.blocks, old.layers, old.resolution), rows)


def _silence(network: Subnet, blueprint: Blueprint, selection: Selection) -> None:
    """Put a multiplication by zeros and ones before each call that sums over a cut dim, in place.

    Only what the call sums is silent there: a sum may divide the units of other axes, and must not become zero there.
    """
    graph, kept = network.graph, blueprint.kept(selection)
    cut_atoms = {d.atom for d in blueprint.dims if _is_cut(d.name, d.size, selection)}
    masks: dict[tuple[fx.Node, frozenset[int]], fx.Node] = {}
    for node in list(graph.nodes):
        flow = blueprint.flows.get(node.name)
        summed = {leaf for axis in flow.summed for leaf in blueprint.algebra.leaves(axis)} if flow else set()
        for source in node.all_input_nodes if summed & cut_atoms else ():
            axes = blueprint.axes.get(source.name, [[]])[0]
            leaves = {leaf for axis in axes for leaf in blueprint.algebra.leaves(axis)}
            if silent := frozenset(leaves & summed & cut_atoms):
                if (source, silent) not in masks:
                    slices = Slices(blueprint.algebra, {atom: kept[atom] for atom in silent})
                    masks[source, silent] = _masked(network, source, _mask(blueprint, axes, slices), len(masks))
                node.replace_input_with(source, masks[source, silent])
    graph.lint()
    network.recompile()


def _masked(network: Subnet, source: fx.Node, mask: torch.Tensor, number: int) -> fx.Node:
    name = f"silence_{number}"
    network.register_buffer(name, mask)
    with network.graph.inserting_after(source):
        held = network.graph.get_attr(name)
    with network.graph.inserting_after(held):
        return network.graph.call_function(torch.ops.aten.mul.Tensor, (source, held))


def _mask(blueprint: Blueprint, axes: Axes, slices: Slices) -> torch.Tensor:
    """Return a tensor of ones where the units stay and zeros where they are cut; it broadcasts."""
    sizes = [blueprint.algebra.size(axis) for axis in axes]
    carried = [bool(blueprint.dims_of(axis)) for axis in axes]
    shape = [size.count if here else 1 for size, here in zip(sizes, carried, strict=True)]
    mask = torch.zeros(shape, dtype=torch.float64)
    index = [_along(torch.arange(size), i, len(shape)) for i, size in enumerate(shape)]
    for step in slices.places(axes):
        where = torch.as_tensor(step.index)
        index[step.axis] = _along(where, step.axis, len(shape)) if where.dim() == 1 else where
    mask[tuple(index)] = 1.0
    return mask


def _along(values: torch.Tensor, axis: int, rank: int) -> torch.Tensor:
    return values.reshape([-1 if i == axis else 1 for i in range(rank)])
