"""What an analysis finds in a graph: what can be cut or removed, what cannot and why, and what each call does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from .axes import Axis
from .rules import Literal


@dataclass(frozen=True, slots=True)
class Dim:
    """Something that can be cut: one free atom that sits on at least one parameter.

    Attributes:
        name: `<first parameter that carries it>:<axis>[.<factor>]`.
        size: Units in the unpruned network.
        atom: Its number in the blueprint's algebra.
        carriers: (parameter or buffer name, axis) pairs whose slices belong to its units.
        labels: (atom, size in the unpruned network) of the outer factors that only label its units, outermost
            first: each combination of their units keeps a set of its own, of equal width.
        counts_groups: Whether its units are the groups of a grouped convolution or normalisation.
        least: Smallest width that it may be cut to.
    """

    name: str
    size: int
    atom: int
    carriers: tuple[tuple[str, int], ...]
    labels: tuple[tuple[int, int], ...] = ()
    counts_groups: bool = False
    least: int = 1

    @property
    def outer(self) -> int:
        """How many sets of units are kept: one for each combination of its labels' units."""
        return prod(size for _, size in self.labels)


@dataclass(frozen=True, slots=True)
class Frozen:
    """An axis of a parameter that is not cut, and why.

    Attributes:
        dim: Its name, formed like a dim's.
        reason: Why it keeps its size.
        atom: Its number in the blueprint's algebra.
        node: Name of the call that is the reason, where it is one.
        carriers: (parameter or buffer name, axis) pairs that it lies on.
    """

    dim: str
    reason: str
    atom: int
    node: str | None = None
    carriers: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """What the rule of one call said.

    Attributes:
        literals: Argument name -> the axis or axes that it is written anew from; None for entries that stay.
        summed: Axes that are contracted: a unit that is zero adds nothing.
        blended: Axes along which each unit changes what the others become.
        groupings: Axes that count groups.
        unlabelled: (axis, other axis): units of the first meet at different positions of the second.
    """

    literals: Mapping[str, Literal]
    summed: tuple[Axis, ...] = ()
    blended: tuple[Axis, ...] = ()
    groupings: tuple[Axis, ...] = ()
    unlabelled: tuple[tuple[Axis, Axis], ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A residual branch that can be removed: the addition is replaced by the path that stays.

    Attributes:
        name: Module path of the addition (with ":k" where a module has several).
        addition: Node name of the addition.
        stays: Node name of the operand that takes its place.
        hides: Names of the dims that vanish with the branch.
        parameters: Names of the parameters and buffers that go with it, sorted.
    """

    name: str
    addition: str
    stays: str
    hides: tuple[str, ...]
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotRemovable:
    """An addition that is no removable block, and why.

    Attributes:
        name: Formed like a block's.
        reason: Why it is none.
        addition: Node name of the addition.
    """

    name: str
    reason: str
    addition: str
