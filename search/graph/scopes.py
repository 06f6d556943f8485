"""Dims that play the same part: isomorphic scopes, after Isomorphic Pruning (Fang et al., ECCV 2024, section 3).

Two dims are isomorphic where the graph uses them alike: they sit equally often at the same places, a **place** being
an operator, an argument of it, an axis of that argument, and the position in the product that the axis is. Sizes do
not count, so the same layer of all blocks is one scope, whatever its width.

Where a network has more than `MOST` of these (a dense block's layers all have different numbers of readers), dims are
put together by stage instead. Two dims are of one stage where three things agree:

- the *extent*: how many positions of an example (pixels, tokens) the first tensor has that holds them, windows or not;
- *trunk or inside*: whether tensors that both come from the input meet in them, by an addition or a concatenation;
- the *kind*: plain, a factor that labels others (heads), or what is inside such a factor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from torch import fx

from .axes import Algebra, Axis
from .blueprint import Blueprint
from .findings import Dim
from .patterns import pattern
from .rules import Axes
from .tracing import operator_name

MOST = 24
"""Scopes above which dims are put together by stage: a search over more variables learns too little of each."""

_MEETING = frozenset({"add", "cat"})

Place = tuple[str, str, int, tuple[tuple[int, int], ...]]
"""Operator, argument, axis, and (position, factors) in each product on the way down."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Dims that play the same part and are chosen together.

    Attributes:
        name: What the names of its dims have in common; unique in its network, and a dim's own name where it is alone.
        dims: Names of its dims, in the order in which the graph uses them.
        by_stage: Whether its dims are of one stage rather than isomorphic.
    """

    name: str
    dims: tuple[str, ...]
    by_stage: bool = False


def scopes(blueprint: Blueprint, most: int = MOST) -> tuple[Scope, ...]:
    """Return the scopes of a network in the order of its graph; each dim is in exactly one.

    Args:
        blueprint: The combed network.
        most: Isomorphic scopes above which dims are put together by stage, where that gives fewer.
    """
    places = _places(blueprint)
    order = {atom: i for i, atom in enumerate(places)}
    dims = sorted(blueprint.dims, key=lambda dim: order.get(dim.atom, len(order)))
    found = _grouped(dims, {dim.name: frozenset(places.get(dim.atom, Counter()).items()) for dim in dims})
    by_stage = len(found) > most
    if by_stage:
        stages = _grouped(dims, _stages(blueprint))
        by_stage = len(stages) < len(found)
        found = stages if by_stage else found
    return tuple(Scope(name, dims, by_stage) for name, dims in zip(_names(found), found, strict=True))


def _grouped(dims: Sequence[Dim], keys: Mapping[str, Hashable]) -> list[tuple[str, ...]]:
    groups: dict[Hashable, list[str]] = {}
    for dim in dims:
        groups.setdefault(keys[dim.name], []).append(dim.name)
    return [tuple(group) for group in groups.values()]


def _names(groups: Sequence[Sequence[str]]) -> list[str]:
    """Name each group; "#k" tells those apart whose names have the same in common."""
    names = [pattern(group) for group in groups]
    times, seen = Counter(names), Counter[str]()
    for i, name in enumerate(names):
        seen[name] += 1
        names[i] = name if times[name] == 1 else f"{name}#{seen[name]}"
    return names


def _places(blueprint: Blueprint) -> dict[int, Counter[Place]]:
    """Return atom -> how often it sits at each place, in the order in which the graph comes upon the atoms."""
    found: dict[int, Counter[Place]] = {}
    seen: dict[Axis, list[tuple[int, tuple[tuple[int, int], ...]]]] = {}
    for node in blueprint.graph.nodes:
        operator = operator_name(node)
        for argument, axes in _arguments(node, blueprint.axes) if operator != "getitem" else ():
            for i, axis in enumerate(axes):
                if axis not in seen:
                    leaves = _leaves(blueprint.algebra, axis, ())
                    seen[axis] = [(atom, path) for atom, path in leaves if atom in blueprint.by_atom]
                for atom, path in seen[axis]:
                    found.setdefault(atom, Counter())[operator, argument, i, path] += 1
    return found


def _arguments(node: fx.Node, axes: Mapping[str, list[Axes]]) -> Iterator[tuple[str, Axes]]:
    """Yield the name and axes of each tensor argument of a call; the tensors of a list have the list's name."""
    schema = getattr(node.target, "_schema", None)
    names = [argument.name for argument in schema.arguments] if schema is not None else []
    names += [f"arg{i}" for i in range(len(names), len(node.args))]
    for name, value in [*zip(names, node.args, strict=False), *node.kwargs.items()]:
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, fx.Node) and len(axes.get(item.name, ())) == 1:
                yield name, axes[item.name][0]


def _leaves(
    algebra: Algebra, axis: Axis, path: tuple[tuple[int, int], ...]
) -> Iterator[tuple[int, tuple[tuple[int, int], ...]]]:
    """Yield each atom of an axis with its position; which part of a concatenation it is in does not count."""
    terms = algebra.resolve(axis)
    for i, term in enumerate(terms):
        here = (*path, (i, len(terms))) if len(terms) > 1 else path
        if isinstance(term, int):
            yield term, here
        else:
            for part in term.parts:
                yield from _leaves(algebra, part, here)


def _stages(blueprint: Blueprint) -> dict[str, tuple[int, bool, str]]:
    """Return dim name -> its stage, as the head of this file says."""
    extents: dict[int, int] = {}
    trunk: set[int] = set()
    flowing: set[fx.Node] = set()
    for node in blueprint.graph.nodes:
        sources = [source for source in node.all_input_nodes if source in flowing]
        if node.op != "placeholder" and not sources:
            continue
        flowing.add(node)
        meets = operator_name(node) in _MEETING and len(sources) > 1
        for axes in blueprint.axes.get(node.name, ()):
            dims = [set(blueprint.algebra.leaves(axis)) & blueprint.by_atom.keys() for axis in axes]
            sizes = [blueprint.algebra.size(axis).count for axis, on in zip(axes, dims, strict=True) if not on]
            for atom in set().union(*dims):
                extents.setdefault(atom, prod(sizes))
                trunk |= {atom} if meets else set()
    labelling = {label for dim in blueprint.dims for label, _ in dim.labels}
    kinds = {
        dim.atom: "inside" if dim.labels else "label" if dim.atom in labelling else "plain" for dim in blueprint.dims
    }
    return {d.name: (extents.get(d.atom, 1), d.atom in trunk, kinds[d.atom]) for d in blueprint.dims}
