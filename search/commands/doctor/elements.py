"""How many elements of a network's parameters lie on which atoms."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import prod

from torch import nn

from ...graph import Algebra, Axis, Blueprint


class Elements:
    """Count elements of trained parameters; those with several names count once, buffers do not.

    Attributes:
        total: Elements of all parameters that the output needs.
    """

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._first: dict[str, str] = {}
        self._size: dict[str, int] = {}
        seen: dict[int, str] = {}
        for name, value in blueprint.trace.module.named_parameters(remove_duplicate=False):
            if name in blueprint.parameters and isinstance(value, nn.Parameter):
                self._first[name] = seen.setdefault(id(value), name)
                self._size[self._first[name]] = value.numel()
        self.total = sum(self._size.values())

    def of(self, names: Iterable[str]) -> int:
        """Return the elements of these parameters; names of buffers count nothing."""
        return sum(self._size[first] for first in {self._first[name] for name in names if name in self._first})

    def on(self, atoms: Collection[int], names: Iterable[str] | None = None) -> int:
        """Return the elements that belong to a unit of at least one of these atoms.

        Args:
            atoms: Root atoms.
            names: The parameters that carry them; by default all are looked at.
        """
        wanted = self._size if names is None else {self._first[name] for name in names if name in self._first}
        return sum(self._size[name] - self._off(name, atoms) for name in wanted)

    def share(self, elements: int) -> float:
        """Return elements as a fraction of all."""
        return elements / self.total if self.total else 0.0

    def _off(self, name: str, atoms: Collection[int]) -> int:
        axes = self._blueprint.parameters[name]
        return prod(_positions_off(self._blueprint.algebra, axis, atoms) for axis in axes)


def _positions_off(algebra: Algebra, axis: Axis, atoms: Collection[int]) -> int:
    """Return at how many positions of an axis none of the atoms counts."""
    off = 1
    for term in algebra.resolve(axis):
        if not isinstance(term, int):
            off *= sum(_positions_off(algebra, part, atoms) for part in term.parts)
        else:
            off *= 0 if term in atoms else algebra.size((term,)).count
    return off
