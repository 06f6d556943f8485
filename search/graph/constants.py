"""Calls whose values follow from parameters and buffers alone: weights that are computed from others.

Such a call that sums over units of the network (a norm of a weight, its largest singular value) gives another number
when it is computed from cut parameters. So it must not be: what it makes of the unpruned ones is what is cut.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx

from .axes import Algebra
from .rules import Axes
from .tracing import MODES, draws_numbers, is_mutable, is_region
from .tracing.aliases import Families


def _fixed(graph: fx.Graph) -> tuple[set[fx.Node], frozenset[fx.Node]]:
    """Return what is the same whenever the network runs, and the calls of it that read a parameter or buffer."""
    families = Families(graph)
    written = {families.family(source) for node in graph.nodes if is_mutable(node) for source in node.all_input_nodes}
    fixed, stored = set[fx.Node](), set[fx.Node]()
    for node in graph.nodes:
        if node.op == "get_attr":
            is_fixed = families.family(node) not in written
        elif node.op == "call_function":
            is_fixed = not (
                is_mutable(node)
                or is_region(node)
                or draws_numbers(node)
                or node.meta.get(MODES)
                or families.family(node) in written
            ) and fixed.issuperset(node.all_input_nodes)
        else:
            is_fixed = False
        if is_fixed:
            fixed.add(node)
            if node.op == "get_attr" or not stored.isdisjoint(node.all_input_nodes):
                stored.add(node)
    return fixed, frozenset(node for node in stored if node.op == "call_function")


def computed_weights(graph: fx.Graph) -> frozenset[fx.Node]:
    """Return the calls that compute the same whenever the network runs, from at least one parameter or buffer."""
    return _fixed(graph)[1]


def atoms_of_values(graph: fx.Graph, axes: Mapping[str, list[Axes]], algebra: Algebra) -> frozenset[int]:
    """Return the atoms that the network's values have, and not its weights and constants alone."""
    fixed, _ = _fixed(graph)
    return frozenset(
        leaf
        for node in graph.nodes
        if node.op in ("placeholder", "call_function") and node not in fixed
        for output in axes.get(node.name, ())
        for axis in output
        for leaf in algebra.leaves(axis)
    )
