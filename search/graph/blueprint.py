"""The exported graph plus the meaning of each axis of each tensor in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import fx

from .axes import Algebra, Axis, Indices, Size
from .candidate import Candidate, Selection
from .rules import Axes
from .trace import Trace


@dataclass(frozen=True, slots=True)
class Dim:
    """Something that can be cut: one free atom that sits on at least one parameter.

    Attributes:
        name: `<first parameter that carries it>:<axis>[.<factor>]`.
        size: Units in the unpruned network.
        atom: Its number in the blueprint's algebra.
        carriers: (parameter or buffer name, axis) pairs whose slices belong to its units.
    """

    name: str
    size: int
    atom: int
    carriers: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Frozen:
    """An axis of a parameter that is not cut, and why."""

    dim: str
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """A residual branch that can be removed: the addition is replaced by the path that stays.

    Attributes:
        name: Module path of the addition (with ":k" where a module has several).
        addition: Node name of the addition.
        stays: Node name of the operand that takes its place.
        hides: Names of the dims that vanish with the branch.
    """

    name: str
    addition: str
    stays: str
    hides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotRemovable:
    """An addition that is no removable block, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Blueprint:
    """A network that has been combed; never changed in place.

    Attributes:
        trace: The graph and what it was traced with.
        algebra: The axes' atoms.
        axes: Node name -> axes of each output tensor.
        parameters: Parameter or buffer name -> axes.
        literals: Node name -> {argument name: axis or axes that its literal is written from}.
        dims: What can be cut.
        blocks: What can be removed.
        not_removable: Additions that are no blocks.
        frozen: Axes of parameters that are not cut.
        unknown: Operators without a rule, with the nodes that call them.
    """

    trace: Trace
    algebra: Algebra
    axes: Mapping[str, list[Axes]]
    parameters: Mapping[str, Axes]
    literals: Mapping[str, Mapping[str, Axis | list[Axis]]]
    dims: tuple[Dim, ...]
    blocks: tuple[Block, ...]
    not_removable: tuple[NotRemovable, ...]
    frozen: tuple[Frozen, ...]
    unknown: Mapping[str, tuple[str, ...]]

    @property
    def graph(self) -> fx.Graph:
        """The unpruned graph. Read only."""
        return self.trace.module.graph

    def dim(self, name: str) -> Dim:
        """Return a dim by name.

        Raises:
            KeyError: There is none of that name.
        """
        for dim in self.dims:
            if dim.name == name:
                return dim
        raise KeyError(f"A dim must be one of the blueprint's {len(self.dims)}, but got {name!r}.")

    def check(self, candidate: Candidate) -> None:
        """Check that a candidate belongs to this blueprint.

        Raises:
            ValueError: It names a dim or block that is not here, leaves one out, or a width is above the dim's size.
        """
        blocks = {block.name for block in self.blocks}
        if set(candidate.blocks) != blocks:
            odd = sorted(set(candidate.blocks) ^ blocks)
            raise ValueError(f"A candidate names every block of its blueprint, but these are in one only: {odd}.")
        sizes = {dim.name: dim.size for dim in self.dims}
        least = set(sizes) - self.hidden(candidate.removed)
        # A dim that only two removed blocks together hide may be named: a space knows what each hides alone.
        most = set(sizes).difference(*(block.hides for block in self.blocks if block.name in candidate.removed))
        odd = sorted((least - set(candidate.dims)) | (set(candidate.dims) - most))
        if odd:
            raise ValueError(f"A candidate names every dim that its blocks leave, but these are in one only: {odd}.")
        for name, width in candidate.dims.items():
            if width > sizes[name]:
                raise ValueError(f"A width is at most the dim's size, but {name!r} has {width} > {sizes[name]}.")

    def hidden(self, removed: Collection[str]) -> frozenset[str]:
        """Return the dims that vanish when these blocks are removed."""
        if not removed:
            return frozenset()
        live = {str(n.target) for n in self.live(removed) if n.op == "get_attr"}
        return frozenset(d.name for d in self.dims if not any(carrier in live for carrier, _ in d.carriers))

    def live(self, removed: Collection[str]) -> set[fx.Node]:
        """Return the nodes that the output still needs when these blocks are removed."""
        nodes = {node.name: node for node in self.graph.nodes}
        detour = {nodes[b.addition]: nodes[b.stays] for b in self.blocks if b.name in set(removed)}
        output = next(iter(reversed(self.graph.nodes)))
        seen, pending = set(), [output]
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                pending.extend([detour[node]] if node in detour else node.all_input_nodes)
        return seen - set(detour)

    def widths(self, candidate: Candidate) -> dict[int, int]:
        """Return atom -> width under a candidate."""
        return {dim.atom: candidate.dims[dim.name] for dim in self.dims if dim.name in candidate.dims}

    def shape(self, axes: Iterable[Axis], candidate: Candidate) -> tuple[Size, ...]:
        """Return the sizes of axes under a candidate."""
        widths = self.widths(candidate)
        return tuple(self.algebra.width(axis, widths) for axis in axes)

    def indices(self, axis: Axis, selection: Selection) -> Indices:
        """Return which positions of an axis stay under a selection."""
        kept = {d.atom: np.asarray(selection.keep[d.name][0]) for d in self.dims if d.name in selection.keep}
        return self.algebra.indices(axis, kept.get)

    def dims_of(self, axis: Axis) -> tuple[Dim, ...]:
        """Return the dims that an axis is made of, outermost first."""
        by_atom = {dim.atom: dim for dim in self.dims}
        return tuple(by_atom[leaf] for leaf in self.algebra.leaves(axis) if leaf in by_atom)


def frozen_mapping(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a read-only view of a copy of `mapping`."""
    return MappingProxyType(dict(mapping))
