"""A cut network equals the full one in which the cut units are silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np
import torch
from torch import fx, nn

from ...graph import Blueprint, Candidate, Selection, edited
from ...graph.axes import Axis
from ...graph.constants import atoms_of_values, computed_weights
from ...graph.kept import Slices
from ...graph.rules import Axes
from ..cut import cut
from ..subnet import Subnet
from ._base import Proof
from .pairs import PERMUTATION_TOLERANCE, Pair, UnfitError, compare_pair
from .scrambled import scramble


def silenced(blueprint: Blueprint, selection: Selection, rng: np.random.Generator) -> Proof:
    """Multiply cut units by zero wherever they are summed, in the full network, and compare with the cut one.

    This holds where units pass each by itself from their producers to their consumers. Where a normalisation, a
    softmax or a mean lets the presence of one unit change another, it does not: such dims stay whole here, and the
    proof says which. In float64, with scrambled parameters.

    Only the network's values are silenced. A weight that is computed from others is computed from all of them, so that
    a cut in which it comes out otherwise is noticed.
    """
    blended = _blended(blueprint, selection.candidate)
    kept = {d.name for d in blueprint.dims if d.atom in blended or selection.candidate.dims.get(d.name) == d.size}
    left_out = sorted(d.name for d in blueprint.dims if d.atom in blended and _is_cut(d.name, d.size, selection))
    applies = selection.candidate.removed or set(selection.candidate.dims) - kept
    if not applies:
        why = f"units of each other change in {', '.join(left_out)}" if left_out else "nothing was cut"
        return Proof("silenced", None, 0.0, PERMUTATION_TOLERANCE, not left_out, why)
    part = _widened(blueprint, selection, kept)

    def networks(double: bool) -> tuple[nn.Module, nn.Module]:
        scrambled = scramble(blueprint, rng, double=double)
        whole = cut(scrambled, _widened(blueprint, selection, {dim.name for dim in blueprint.dims}))
        _silence(whole, blueprint, part)
        return whole, cut(scrambled, part)

    note = f"kept whole: {', '.join(left_out)}" if left_out else ""
    return compare_pair(Pair("silenced", networks, exact=not left_out, note=note), blueprint.trace, rng)


def _is_cut(name: str, size: int, selection: Selection) -> bool:
    return selection.candidate.dims.get(name, size) < size


def _blended(blueprint: Blueprint, candidate: Candidate) -> set[int]:
    """Return the atoms whose units change each other somewhere in the network that is left."""
    live = edited(blueprint, candidate.choices).live
    fixed, valued = _weights(blueprint)
    return {
        leaf
        for name, flow in blueprint.flows.items()
        if name in live
        for axis in flow.blended
        for leaf in blueprint.algebra.leaves(axis)
        if name not in fixed or leaf not in valued
    }


def _weights(blueprint: Blueprint) -> tuple[set[str], frozenset[int]]:
    """Return the names of the calls that compute weights, and the atoms that the network's values have, too."""
    fixed = computed_weights(blueprint.graph)
    valued = atoms_of_values(blueprint.graph, blueprint.axes, blueprint.algebra)
    return {node.name for node in fixed}, valued


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
    fixed, valued = _weights(blueprint)
    cut_atoms = {d.atom for d in blueprint.dims if _is_cut(d.name, d.size, selection)}
    masks: dict[tuple[fx.Node, frozenset[int]], fx.Node] = {}
    for node in list(graph.nodes):
        flow = blueprint.flows.get(node.name)
        summed = {leaf for axis in flow.summed for leaf in blueprint.algebra.leaves(axis)} if flow else set()
        summed -= valued if node.name in fixed else frozenset()
        for source in node.all_input_nodes if summed & cut_atoms else ():
            axes = blueprint.axes.get(source.name, [[]])[0]
            leaves = {leaf for axis in axes for leaf in blueprint.algebra.leaves(axis)}
            if silent := frozenset(leaves & summed & cut_atoms):
                if (source, silent) not in masks:
                    slices = Slices(blueprint.algebra, {atom: kept[atom] for atom in silent})
                    masks[source, silent] = _masked(
                        network, source, _mask(blueprint, axes, slices, _sizes(source)), len(masks)
                    )
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


def _mask(blueprint: Blueprint, axes: Axes, slices: Slices, sizes: Sequence[int]) -> torch.Tensor:
    """Return a tensor that is true where the units stay and false where they are cut; it broadcasts.

    Args:
        blueprint: Where the axes belong to.
        axes: Of the tensor that is silenced.
        slices: What stays.
        sizes: Of the tensor, with the example's batch.
    """
    counts = [blueprint.algebra.size(axis).count for axis in axes]
    carried = [bool(blueprint.dims_of(axis)) for axis in axes]
    shape = [count if here else 1 for count, here in zip(counts, carried, strict=True)]
    mask = torch.zeros(shape, dtype=torch.bool)
    index = [_along(torch.arange(size), i, len(shape)) for i, size in enumerate(shape)]
    for step in slices.places(axes):
        where = torch.as_tensor(step.index)
        index[step.axis] = _along(where, step.axis, len(shape)) if where.dim() == 1 else where
    mask[tuple(index)] = True
    for i, axis in enumerate(axes):
        if carried[i] and sizes[i] != counts[i]:
            mask = _over_the_batch(blueprint, mask, i, axis, sizes[i] // counts[i])
    return mask


def _over_the_batch(blueprint: Blueprint, mask: torch.Tensor, i: int, axis: Axis, batch: int) -> torch.Tensor:
    """Repeat a mask along an axis that counts units and examples at once, where its batch stands among its factors.

    Raises:
        UnfitError: Several of its factors depend on the batch.
    """
    factors = [blueprint.algebra.term_size(term) for term in blueprint.algebra.resolve(axis)]
    examples = [k for k, size in enumerate(factors) if size.symbols]
    if len(examples) != 1:
        raise UnfitError("an axis merges units with the batch more than once, so that it cannot be told which are cut")
    # The whole numbers in that factor are no units either: any of them stands for all.
    outer = prod(size.count for size in factors[: examples[0]])
    split: torch.Tensor = mask.reshape(*mask.shape[:i], outer, factors[examples[0]].count, -1, *mask.shape[i + 1 :])
    return (
        split.narrow(i + 1, 0, 1)
        .expand(*split.shape[: i + 1], factors[examples[0]].count * batch, *split.shape[i + 2 :])
        .flatten(i, i + 2)
    )


def _sizes(node: fx.Node) -> list[int]:
    """Return the sizes of the tensor that a call computes, with the example's batch."""
    return [size if isinstance(size, int) else int(size.node.hint) for size in node.meta["val"].shape]


def _along(values: torch.Tensor, axis: int, rank: int) -> torch.Tensor:
    return values.reshape([-1 if i == axis else 1 for i in range(rank)])
