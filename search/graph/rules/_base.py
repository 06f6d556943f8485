"""What a rule sees of one call, and how it accounts for each axis.

A rule is a function `rule(call) -> outputs`, one list of axes for each output tensor. It takes the axes that it knows
the meaning of with `Call.take`; the harness freezes every axis of every tensor argument that was not taken, so what
a rule does not mention can never be cut.

A rule also says what becomes of units that are cut, for the proof that a cut equals a silenced network: an axis is
*summed* where a zero adds nothing (a contraction), *blended* where each unit's presence changes what the others
become (a softmax, a mean), and else it passes, each unit by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import fx

from ..axes import Algebra, Axis
from ..sizes import Size

Axes = list[Axis]

Literal = Axis | list[Axis | None]
"""How an argument is written anew: the size of an axis; or a list of such, None where the entry stays as it is."""


@dataclass(slots=True)
class Call:
    """One operator call in the graph, as its rule sees it.

    Attributes:
        node: The call.
        operator: The operator's name without its overload.
        algebra: Where axes are unified and frozen.
        arguments: Argument name of the operator's schema -> value (defaults filled in).
        tensors: Argument name -> axes, for each argument that is a tensor; lists of tensors are "name.i".
        outputs: Shapes of the output tensors.
        taken: (argument name, axis index) pairs that the rule has accounted for.
        literals: Argument name -> how to write it anew for other widths.
        summed: Axes whose units each add something of their own, zero for a unit that is zero.
        blended: Axes whose units change what the others become.
        groupings: Axes that count groups.
        unlabelled: (axis, other axis): a set of units of the first must not depend on the second.
        floors: (axis, width): the operator means something else by an axis that is narrower than that.
    """

    node: fx.Node
    operator: str
    algebra: Algebra
    arguments: Mapping[str, Any]
    tensors: Mapping[str, Axes]
    outputs: Sequence[tuple[Size, ...]]
    taken: set[tuple[str, int]] = field(default_factory=set)
    literals: dict[str, Literal] = field(default_factory=dict)
    summed: list[Axis] = field(default_factory=list)
    blended: list[Axis] = field(default_factory=list)
    groupings: list[Axis] = field(default_factory=list)
    unlabelled: list[tuple[Axis, Axis]] = field(default_factory=list)
    floors: list[tuple[Axis, int]] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Tell whether an argument is a tensor (an optional one may be absent)."""
        return name in self.tensors

    def rank(self, name: str) -> int:
        """Return how many axes a tensor argument has."""
        return len(self.tensors[name])

    def listed(self, name: str) -> list[str]:
        """Return the names of the tensors in a list argument, in order."""
        return [f"{name}.{i}" for i in range(len(self.arguments[name])) if f"{name}.{i}" in self.tensors]

    def take(self, name: str, index: int) -> Axis:
        """Return one axis of a tensor argument, and account for it."""
        index %= len(self.tensors[name])
        self.taken.add((name, index))
        return self.tensors[name][index]

    def take_all(self, name: str, *, but: Sequence[int] = ()) -> Axes:
        """Return all axes of a tensor argument, and account for them, except those in `but` (non-negative)."""
        return [self.tensors[name][i] if i in but else self.take(name, i) for i in range(self.rank(name))]

    def tie(self, *axes: Axis) -> Axis:
        """State that axes count the same things; return one of them."""
        for other in axes[1:]:
            self.algebra.unify(axes[0], other, f"{self.operator} ({self.node.name}) ties axes that do not line up")
        return axes[0]

    def broadcast(self, shapes: Sequence[Axes]) -> Axes:
        """Tie axes from the last backwards as broadcasting does; axes of size 1 give way to others."""
        axes: Axes = []
        for back in range(max(len(shape) for shape in shapes), 0, -1):
            present = [shape[-back] for shape in shapes if len(shape) >= back]
            wide = [axis for axis in present if self.algebra.resolve(axis)]
            axes.append(self.tie(*wide) if wide else ())
        return axes

    def sums(self, *axes: Axis) -> None:
        """Say that axes are contracted."""
        self.summed.extend(axes)

    def blends(self, *axes: Axis) -> None:
        """Say that each unit of these axes changes what the others become."""
        self.blended.extend(axes)

    def contracts(self, axis: Axis, *others: Axis) -> None:
        """Say that an axis is contracted, and that neither its units nor those of others depend on each other."""
        self.sums(axis)
        self.apart(axis, *others)
        for other in others:
            self.apart(other, axis)

    def mixes(self, axes: Sequence[Axis], along: Collection[int]) -> None:
        """Say that a tensor's units along some axes change each other, so that those of other axes stay the same."""
        mixed = [axes[i] for i in along]
        self.blends(*mixed)
        for i, axis in enumerate(axes):
            if i not in along:
                self.apart(axis, *mixed)

    def apart(self, axis: Axis, *others: Axis) -> None:
        """Say that `axis` meets itself at different positions of `others`, so its units cannot depend on them."""
        self.unlabelled.extend((axis, other) for other in others)

    def fresh(self, size: Size, reason: str) -> Axis:
        """Return a new axis that nothing can cut, such as a spatial one."""
        return self.algebra.atom(size, frozen=reason)


Rule = Callable[[Call], list[Axes]]

SPATIAL = "a spatial axis"
"""Reason of the axes that pooling, resizing and convolutions make."""
