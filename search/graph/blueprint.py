"""The exported graph plus the meaning of each axis of each tensor in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import fx

from .axes import Algebra, Axis
from .candidate import Candidate, Selection
from .findings import Block, Dim, Flow, Frozen, NotRemovable
from .forms import edited
from .kept import Kept, Slices
from .rules import Axes
from .sizes import Size
from .tracing import Trace


@dataclass(frozen=True, eq=False)
class Blueprint:
    """A network that has been combed; never changed in place.

    Attributes:
        trace: The graph and what it was traced with.
        algebra: The axes' atoms.
        axes: Node name -> axes of each output tensor.
        parameters: Parameter or buffer name -> axes.
        flows: Node name -> what its rule said of it.
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
    flows: Mapping[str, Flow]
    dims: tuple[Dim, ...]
    blocks: tuple[Block, ...]
    not_removable: tuple[NotRemovable, ...]
    frozen: tuple[Frozen, ...]
    unknown: Mapping[str, tuple[str, ...]]

    @cached_property
    def by_atom(self) -> Mapping[int, Dim]:
        """Root atom -> dim."""
        return MappingProxyType({dim.atom: dim for dim in self.dims})

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
            ValueError: It names a dim or block that is not here, leaves one out, a width is above the dim's size, or it
                chooses what no network is cut to yet: another form of a layer, or another input size.
        """
        if candidate.layers or candidate.resolution is not None:
            raise ValueError(
                "A candidate chooses widths and blocks, and nothing else yet, but this one has layers "
                f"{dict(candidate.layers)} and resolution {candidate.resolution}."
            )
        blocks = {block.name for block in self.blocks}
        if set(candidate.blocks) != blocks:
            odd = sorted(set(candidate.blocks) ^ blocks)
            raise ValueError(f"A candidate names every block of its blueprint, but these are in one only: {odd}.")
        sizes = {dim.name: dim.size for dim in self.dims}
        least = set(sizes) - edited(self, candidate.choices).hidden
        # A dim that only two removed blocks together hide may be named: a space knows what each hides alone.
        most = set(sizes).difference(*(block.hides for block in self.blocks if block.name in candidate.removed))
        odd = sorted((least - set(candidate.dims)) | (set(candidate.dims) - most))
        if odd:
            raise ValueError(f"A candidate names every dim that its blocks leave, but these are in one only: {odd}.")
        for name, width in candidate.dims.items():
            if width > sizes[name]:
                raise ValueError(f"A width is at most the dim's size, but {name!r} has {width} > {sizes[name]}.")

    def check_selection(self, selection: Selection) -> None:
        """Check that a selection belongs to this blueprint.

        Raises:
            ValueError: Its candidate does not (see `check`), a dim keeps another number of sets than it has outer
                units, or a unit is none of the dim's.
        """
        self.check(selection.candidate)
        for dim in self.dims:
            rows = selection.keep.get(dim.name, ())
            if dim.name in selection.keep and len(rows) != dim.outer:
                raise ValueError(
                    f"Dim {dim.name!r} keeps {dim.outer} sets of units, but the selection has {len(rows)}."
                )
            if any(not 0 <= unit < dim.size for row in rows for unit in row):
                raise ValueError(f"Units of dim {dim.name!r} are 0 to {dim.size - 1}, but the selection has others.")

    def widths(self, candidate: Candidate) -> dict[int, int]:
        """Return atom -> width under a candidate."""
        return {dim.atom: candidate.dims[dim.name] for dim in self.dims if dim.name in candidate.dims}

    def shape(self, axes: Iterable[Axis], candidate: Candidate) -> tuple[Size, ...]:
        """Return the sizes of axes under a candidate."""
        widths = self.widths(candidate)
        return tuple(self.algebra.width(axis, widths) for axis in axes)

    def kept(self, selection: Selection) -> dict[int, Kept]:
        """Return root atom -> which of its units stay under a selection."""
        return {
            dim.atom: Kept(tuple(label for label, _ in dim.labels), np.asarray(selection.keep[dim.name]))
            for dim in self.dims
            if dim.name in selection.keep
        }

    def slices(self, selection: Selection) -> Slices:
        """Return how tensors are sliced under a selection."""
        return Slices(self.algebra, self.kept(selection))

    def dims_of(self, axis: Axis) -> tuple[Dim, ...]:
        """Return the dims that an axis is made of, outermost first."""
        by_atom = self.by_atom
        return tuple(by_atom[leaf] for leaf in self.algebra.leaves(axis) if leaf in by_atom)


def frozen_mapping(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a read-only view of a copy of `mapping`."""
    return MappingProxyType(dict(mapping))
