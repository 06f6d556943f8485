"""From a candidate to the units that a latency table knows: one unit for each weighted layer and what follows it.

A **unit** is a convolution or matrix product with a weight, together with the pointwise and pooling calls behind it,
up to the next weighted layer: what runtimes fuse. Its family says all that matters except the two widths.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import fx

from latency_tables import UnitKey

from .axes import Axis
from .blueprint import Blueprint
from .candidate import Candidate
from .restrict import module_of
from .tracing import operator_name

WEIGHTED = frozenset({"conv1d", "conv2d", "conv3d", "linear"})
"""Operators that begin a unit."""

_SILENT = frozenset({"batch_norm", "dropout", "feature_dropout", "clone", "contiguous", "detach", "to", "flatten",
                     "view", "reshape", "getitem", "sym_size"})  # fmt: skip
"""Calls that runtimes fold away or that cost nothing: they do not tell families apart."""


@dataclass(frozen=True, slots=True)
class UnitSpec:
    """A unit of the unpruned network.

    Attributes:
        name: Module of its weight (with "#k" for a weight that is used several times).
        node: Node name of the call that begins it.
        family: Operator, kernel, stride, grouping, sizes and what follows; all but the widths.
        column: Axis that the input width is read from.
        row: Axis that the output width is read from.
    """

    name: str
    node: str
    family: str
    column: Axis
    row: Axis


def unit_specs(blueprint: Blueprint) -> tuple[UnitSpec, ...]:
    """Return the units of the unpruned network, in the order in which they run."""
    owner = unit_nodes(blueprint)
    followers: dict[str, list[str]] = {}
    for node in blueprint.graph.nodes:
        name = operator_name(node)
        if node.name in owner and name not in WEIGHTED | _SILENT:
            seen = followers.setdefault(owner[node.name], [])
            if name.rstrip("_") not in seen:
                seen.append(name.rstrip("_"))
    specs, times = [], dict[str, int]()
    for node in blueprint.graph.nodes:
        if operator_name(node) in WEIGHTED:
            weight: Any = node.args[1]
            path = module_of(str(weight.target)) if weight.op == "get_attr" else node.name
            times[path] = times.get(path, 0) + 1
            name = path if times[path] == 1 else f"{path}#{times[path]}"
            specs.append(_spec(blueprint, node, name, followers.get(node.name, [])))
    return tuple(specs)


def units(blueprint: Blueprint, candidate: Candidate) -> dict[str, UnitKey]:
    """Return the units that a candidate's network runs: unit name -> key for a latency table."""
    live = {node.name for node in blueprint.live(candidate.removed)}
    widths = blueprint.widths(candidate)
    return {
        spec.name: UnitKey(spec.family, (_count(blueprint, spec.column, widths), _count(blueprint, spec.row, widths)))
        for spec in unit_specs(blueprint)
        if spec.node in live
    }


def unit_nodes(blueprint: Blueprint, removed: Collection[str] = ()) -> dict[str, str]:
    """Return node name -> node name of the weighted call whose unit it belongs to.

    A call belongs to the latest unit among those that it reads; calls before the first unit belong to that one.
    """
    detour = {block.addition: block.stays for block in blueprint.blocks if block.name in removed}
    live = {node.name for node in blueprint.live(removed)}
    order: dict[str, int] = {}
    owner: dict[str, str] = {}
    orphans: list[str] = []
    for node in blueprint.graph.nodes:
        if node.op != "call_function" or (node.name not in live and node.name not in detour):
            continue
        if node.name in detour:
            if detour[node.name] in owner:
                owner[node.name] = owner[detour[node.name]]
        elif operator_name(node) in WEIGHTED:
            order[node.name] = len(order)
            owner[node.name] = node.name
        else:
            _inherit(node, owner, order, orphans)
    first = next(iter(order), None)
    if first is not None:
        owner.update(dict.fromkeys(orphans, first))
    return owner


def _inherit(node: fx.Node, owner: dict[str, str], order: Mapping[str, int], orphans: list[str]) -> None:
    sources = [owner[source.name] for source in node.all_input_nodes if source.name in owner]
    if sources:
        owner[node.name] = max(sources, key=order.__getitem__)
    else:
        orphans.append(node.name)


def _count(blueprint: Blueprint, axis: Axis, widths: Mapping[int, int]) -> int:
    return blueprint.algebra.width(axis, widths).count


def _spec(blueprint: Blueprint, node: fx.Node, name: str, followers: list[str]) -> UnitSpec:
    source: Any = node.args[0]
    weight: Any = node.args[1]
    operator = operator_name(node)
    before, after = blueprint.axes[source.name][0], blueprint.axes[node.name][0]
    column, row = (before[-1], after[-1]) if operator == "linear" else (before[1], after[1])
    parts = [operator]
    if operator == "linear":
        parts.append(f"at{_extent(blueprint, before[1:-1])}")
    else:
        kernel = blueprint.parameters[str(weight.target)][2:] if weight.op == "get_attr" else ()
        parts += [f"k{_extent(blueprint, list(kernel))}", *_convolution(node)]
        parts += [f"in{_extent(blueprint, before[2:])}", f"out{_extent(blueprint, after[2:])}"]
    return UnitSpec(name, node.name, " ".join([*parts, *(f"+{f}" for f in followers)]), column, row)


def _convolution(node: fx.Node) -> list[str]:
    arguments: dict[str, Any] = {a.name: a.default_value for a in node.target._schema.arguments}  # type: ignore[union-attr]
    arguments |= dict(zip(arguments, node.args, strict=False)) | dict(node.kwargs)
    groups = arguments["groups"]
    inside = int(arguments["weight"].meta["val"].shape[1])
    kind = "dense" if groups == 1 else "depthwise" if inside == 1 else f"grouped{inside}"
    parts = [f"s{_times(arguments['stride'])}", kind]
    return parts if set(_listed(arguments["dilation"])) <= {1} else [*parts, f"d{_times(arguments['dilation'])}"]


def _listed(value: Any) -> list[int]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _times(value: Any) -> str:
    return "x".join(str(v) for v in _listed(value))


def _extent(blueprint: Blueprint, axes: list[Axis]) -> str:
    return "x".join(str(blueprint.algebra.size(axis).count) for axis in axes) or "1"
