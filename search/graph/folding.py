"""Weights that are computed from other parameters become parameters, where a cut would change what is computed.

Weight norm divides a weight by the norm of its rows, spectral norm by its largest singular value: numbers that sum over
the units that a cut takes away. Computed anew from what is left, they would scale each layer differently from the one
that was trained. So the weight is computed once, and cut. What acts on each unit by itself (a transpose, a part, a
factor for each channel) stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn

from .axes import Algebra
from .constants import atoms_of_values, computed_weights
from .findings import Flow
from .module import attribute, copy_module, place
from .restrict import Restriction, module_of
from .rules import Axes
from .tracing import Trace, drop_dead, operator_name

_PARAMETRISED = ".parametrizations."
_SHOWN = 3
_PASSING = "folded_"
"""How folded weights are called until the names of what they were computed from are free."""


def to_fold(
    graph: fx.Graph,
    algebra: Algebra,
    axes: Mapping[str, list[Axes]],
    flows: Mapping[str, Flow],
    unknown: Iterable[str],
    restriction: Restriction,
) -> list[str]:
    """Return the names of the calls whose results must become parameters.

    These are the last calls on the way from a sum over units that can be cut, or from an operator without a rule, to
    the network's values.
    """
    computed = computed_weights(graph)
    live = {atom for atom in atoms_of_values(graph, axes, algebra) if algebra.frozen(atom) is None}
    spoilt, without_rule = set[fx.Node](), set(unknown)
    for node in graph.nodes:
        if node in computed:
            flow = flows.get(node.name)
            mixed = (leaf for axis in (*flow.summed, *flow.blended) for leaf in algebra.leaves(axis)) if flow else ()
            free = any(restriction.reason(module_of(name)) is None for name in _sources(node))
            if (
                not live.isdisjoint(mixed)
                or (node.name in without_rule and free)
                or not spoilt.isdisjoint(node.all_input_nodes)
            ):
                spoilt.add(node)
    return [node.name for node in graph.nodes if node in spoilt and not computed.issuperset(node.users)]


def fold(traced: Trace, names: Sequence[str]) -> Trace:
    """Return a trace in which the results of some calls are parameters (buffers, where nothing of them is trained)."""
    module = copy_module(traced.module)
    nodes = {node.name: node for node in module.graph.nodes}
    told: dict[str, list[tuple[fx.Node, list[str]]]] = {}
    made: dict[fx.Node, tuple[str, torch.Tensor]] = {}
    known: dict[str, fx.Node] = {}
    for i, name in enumerate(names):
        node = nodes[name]
        # A layer that is called twice computes its weight twice; it stays one weight.
        spelled = _spelled(node)
        if spelled in known:
            node.replace_all_uses_with(known[spelled])
            continue
        sources = _sources(node)
        value, wanted = _held(module, _value(module, node), sources), _wanted(module, node, sources)
        operators = ", ".join(_operators(node))
        place(module, f"{_PASSING}{i}", value)
        with module.graph.inserting_before(node):
            read = module.graph.get_attr(f"{_PASSING}{i}")
        read.meta.update(node.meta)
        node.replace_all_uses_with(read)
        made[read] = wanted, value
        known[spelled] = read
        told.setdefault(operators, []).append((read, sources))
    drop_dead(module)
    # Now that the parameters which nothing reads any more are gone, their names are free.
    for read, (wanted, value) in made.items():
        delattr(module, str(read.target))
        read.target = _free_name(module, wanted)
        place(module, read.target, value)
    module.recompile()
    notes = tuple(_told(module, operators, folded) for operators, folded in told.items())
    return replace(traced, module=module, notes=(*traced.notes, *notes))


def _told(module: nn.Module, operators: str, folded: Sequence[tuple[fx.Node, list[str]]]) -> str:
    weights = [str(read.target) for read, _ in folded]
    values = [attribute(module, weight) for weight in weights]
    shown = f"{', '.join(weights[:_SHOWN])}{', ...' * (len(weights) > _SHOWN)}"
    sources = list(dict.fromkeys(source for _, names in folded for source in names))
    given = f"{', '.join(sources[:_SHOWN])}{', ...' * (len(sources) > _SHOWN)}"
    verb = "is a weight" if len(weights) == 1 else f"are {len(weights)} weights"
    return (
        f"{shown} {verb} that the network computes from others ({given}) with {operators}, over units that a cut takes "
        "away. So it was computed once, is cut as it is, and keeps its numbers"
        + (
            "; training moves it itself: the computation (a weight norm, a spectral norm or the like) is dissolved."
            if any(isinstance(value, nn.Parameter) for value in values)
            else "."
        )
    )


def _spelled(node: fx.Node) -> str:
    """Return what a call computes, in full: the same text for the same value."""
    if node.op == "get_attr":
        return str(node.target)
    args, kwargs = fx.map_arg((node.args, dict(node.kwargs)), _spelled)
    return f"{node.target}({args}, {sorted(kwargs.items())})"


def _value(module: fx.GraphModule, node: fx.Node) -> torch.Tensor:
    """Compute what a call returns, from parameters and buffers."""
    known: dict[fx.Node, Any] = {}
    needed, pending = {node}, [node]
    while pending:
        fresh = [source for source in pending.pop().all_input_nodes if source not in needed]
        needed.update(fresh)
        pending += fresh
    with torch.no_grad():
        for step in module.graph.nodes:
            if step in needed:
                args, kwargs = fx.map_arg((step.args, dict(step.kwargs)), known.__getitem__)
                known[step] = (
                    attribute(module, str(step.target)) if step.op == "get_attr" else step.target(*args, **kwargs)
                )
    value: torch.Tensor = known[node]
    return value.detach().clone(memory_format=torch.contiguous_format)


def _sources(node: fx.Node) -> list[str]:
    """Return the names of the parameters and buffers that a call computes from, in the order of the graph's reading."""
    found: dict[str, None] = {}
    seen, pending = {node}, [node]
    while pending:
        step = pending.pop()
        if step.op == "get_attr":
            found[str(step.target)] = None
        fresh = [source for source in reversed(step.all_input_nodes) if source not in seen]
        seen.update(fresh)
        pending += fresh
    return list(found)


def _operators(node: fx.Node) -> list[str]:
    """Return the names of the operators that lead to a call's result, without those that only show it differently."""
    seen, pending, found = {node}, [node], dict[str, None]()
    while pending:
        step = pending.pop()
        if operator_name(step) not in ("", "reshape", "view", "flatten", "clone", "permute", "transpose", "getitem"):
            found[operator_name(step)] = None
        fresh = [source for source in step.all_input_nodes if source not in seen]
        seen.update(fresh)
        pending += fresh
    return sorted(found)


def _held(module: nn.Module, value: torch.Tensor, sources: Sequence[str]) -> torch.Tensor:
    tensors = [attribute(module, source) for source in sources]
    if not any(isinstance(tensor, nn.Parameter) for tensor in tensors):
        return value
    trained = any(tensor.requires_grad for tensor in tensors)
    return nn.Parameter(value, requires_grad=trained and (value.is_floating_point() or value.is_complex()))


def _wanted(module: nn.Module, node: fx.Node, sources: Sequence[str]) -> str:
    """Return a name for a weight: what its reader calls it, in the module that it is computed for."""
    first = next((s for s in sources if isinstance(attribute(module, s), nn.Parameter)), sources[0])
    owner = first.split(_PARAMETRISED)[0] if _PARAMETRISED in first else module_of(first)
    return f"{owner}.{_role(node)}" if owner else _role(node)


def _free_name(module: nn.Module, wanted: str) -> str:
    """Return a name that nothing in the module has: the one that is wanted, or that with a number."""
    taken = {name for name, _ in (*module.named_parameters(), *module.named_buffers(), *module.named_modules())}
    count, name = 1, wanted
    while name in taken:
        count, name = count + 1, f"{wanted}_{count}"
    return name


def _role(node: fx.Node) -> str:
    for user in node.users:
        schema = getattr(user.target, "_schema", None)
        for i, expected in enumerate(schema.arguments if schema is not None else ()):
            given = user.args[i] if i < len(user.args) else user.kwargs.get(expected.name)
            if given is node and i:
                return str(expected.name)
    return "weight"
