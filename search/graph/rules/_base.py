"""What a rule sees of one call, and how it accounts for each axis.

A rule is a function `rule(call) -> outputs`, one list of axes for each output tensor. It takes the axes that it knows
the meaning of with `Call.take`; the harness freezes every axis of every tensor argument that was not taken, so what
a rule does not mention can never be cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import fx

from ..axes import Algebra, Axis, Size

Axes = list[Axis]


@dataclass(slots=True)
class Call:
    """One operator call in the graph, as its rule sees it.

    Attributes:
        node: The call.
        algebra: Where axes are unified and frozen.
        arguments: Argument name of the operator's schema -> value (defaults filled in).
        tensors: Argument name -> axes, for each argument that is a tensor; lists of tensors are "name.i".
        outputs: Shapes of the output tensors.
        taken: (argument name, axis index) pairs that the rule has accounted for.
        literals: Argument name -> how to write it anew for other widths: an axis, or a list of axes and integers.
    """

    node: fx.Node
    algebra: Algebra
    arguments: Mapping[str, Any]
    tensors: Mapping[str, Axes]
    outputs: Sequence[tuple[Size, ...]]
    taken: set[tuple[str, int]] = field(default_factory=set)
    literals: dict[str, Axis | list[Axis]] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Tell whether an argument is a tensor (an optional one may be absent)."""
        return name in self.tensors

    def rank(self, name: str) -> int:
        """Return how many axes a tensor argument has."""
        return len(self.tensors[name])

    def take(self, name: str, index: int) -> Axis:
        """Return one axis of a tensor argument, and account for it."""
        index %= len(self.tensors[name])
        self.taken.add((name, index))
        return self.tensors[name][index]

    def take_all(self, name: str) -> Axes:
        """Return all axes of a tensor argument, and account for them."""
        return [self.take(name, i) for i in range(self.rank(name))]

    def tie(self, *axes: Axis) -> Axis:
        """State that axes count the same things; return one of them."""
        for other in axes[1:]:
            self.algebra.unify(axes[0], other, f"{self.node.name} ties axes that do not line up")
        return axes[0]

    def fresh(self, size: Size, reason: str) -> Axis:
        """Return a new axis that nothing can cut, such as a spatial one."""
        return self.algebra.atom(size, frozen=reason)


Rule = Callable[[Call], list[Axes]]
