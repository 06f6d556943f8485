"""Nested graphs (`torch.no_grad()`, `torch.autocast`) written into the graph that calls them, where that is the same.

A region that computes without gradients becomes its calls, with `detach` on each result. One with autocast becomes
its calls, with the casts that autocast makes before them. What would change if it were dissolved stays a call: autocast
whose casts are not known, gradients switched on inside a region without, and writes without gradients to memory from
outside.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from ..module import attribute
from .aliases import Families
from .autocast import is_switched_on, write_casts
from .calls import is_mutable, is_region, operator_name, tensor_of
from .lines import source_line

_GRADIENTS, _AUTOCAST = "wrap_with_set_grad_enabled", "wrap_with_autocast"
_BODY = {_GRADIENTS: 1, _AUTOCAST: 4}
"""Region -> position of its nested graph among the arguments; the region's inputs follow."""


def inline_regions(module: fx.GraphModule) -> tuple[str, ...]:
    """Dissolve nested graphs in place, however deep they are nested.

    Returns:
        One sentence for each kind of thing that was changed or left.
    """
    notes: dict[str, None] = {}
    for node in module.graph.nodes:
        if is_region(node) and (reason := write_casts(module, node)) is not None:
            node.meta["uncast"] = reason
    pending = [(node, False) for node in reversed(module.graph.nodes) if is_region(node)]
    while pending:
        node, without_gradients = pending.pop()
        body = _body(module, node)
        reason = "it is no region of gradients or autocast" if body is None else _stays(node, body, without_gradients)
        if body is None or reason is not None:
            notes[f"{_described(node)} stays a call of a nested graph: {reason}"] = None
            continue
        if operator_name(node) == _AUTOCAST:
            notes[f"{_described(node)} was dissolved: {_meant(node)}"] = None
        inner = without_gradients or _without_gradients(node)
        pending += [(copied, inner) for copied in reversed(_inline(module, node, body))]
    for node in module.graph.nodes:
        if is_region(node):
            node.meta["writes"] = _writes(module, node)
    return tuple(notes)


def _described(node: fx.Node) -> str:
    kind = {_GRADIENTS: "torch.no_grad()", _AUTOCAST: "torch.autocast"}.get(operator_name(node), operator_name(node))
    if operator_name(node) == _GRADIENTS and not _without_gradients(node):
        kind = "torch.enable_grad()"
    line = source_line(node) or next(filter(None, (source_line(user) for user in node.users)), None)
    return f"A region of {kind}" + (f" ({line})" if line else "")


def _meant(node: fx.Node) -> str:
    if (rounded := node.meta.get("cast")) is not None:
        kind = str(node.args[1]).removeprefix("torch.")
        wide = (
            f" {', '.join(sorted(set(rounded)))} computes in float32 there and rounds its results." if rounded else ""
        )
        return f"what it casts to {kind} and back is cast by calls of its own now.{wide}"
    return (
        "autocast is off in the exported network; where autocast is on while the network trains, this part now takes "
        "part in it."
    )


def _body(module: nn.Module, node: fx.Node) -> fx.GraphModule | None:
    position = _BODY.get(operator_name(node))
    reader = node.args[position] if position is not None and position < len(node.args) else None
    found = attribute(module, str(reader.target)) if isinstance(reader, fx.Node) and reader.op == "get_attr" else None
    return found if isinstance(found, fx.GraphModule) and not node.kwargs else None


def _without_gradients(node: fx.Node) -> bool:
    return operator_name(node) == _GRADIENTS and node.args[0] is False


def _stays(node: fx.Node, body: fx.GraphModule, without_gradients: bool) -> str | None:
    """Return why a region must stay a call; None where it can be dissolved."""
    if any(operator_name(user) != "getitem" for user in node.users):
        return "its results are read as a whole."
    if operator_name(node) == _AUTOCAST:
        return f"autocast is switched on in it, and {node.meta['uncast']}" if is_switched_on(node) else None
    if not _without_gradients(node):
        return "it switches gradients on inside a region without." if without_gradients else None
    return "it writes to memory from outside without gradients." if _writes_to_inputs(body) else None


def _writes_to_inputs(body: fx.GraphModule) -> bool:
    """Tell whether a nested graph may write to what it is handed."""
    families = Families(body.graph)
    outside = {families.family(node) for node in body.graph.nodes if node.op in ("placeholder", "get_attr")}
    return any(
        (is_mutable(node) or (is_region(node) and _writes(body, node)))
        and not outside.isdisjoint(families.family(source) for source in node.all_input_nodes)
        for node in body.graph.nodes
    )


def _writes(module: nn.Module, node: fx.Node) -> bool:
    """Tell whether any graph that a region runs, however deep, may write to memory."""
    bodies = [attribute(module, str(source.target)) for source in node.all_input_nodes if source.op == "get_attr"]
    nested = [inner for body in bodies if isinstance(body, fx.GraphModule) for inner in body.modules()]
    return any(is_mutable(inner) for body in nested if isinstance(body, fx.GraphModule) for inner in body.graph.nodes)


def _inline(module: fx.GraphModule, node: fx.Node, body: fx.GraphModule) -> list[fx.Node]:
    """Write a region's calls in its place; return those among them that are regions."""
    position = _BODY[operator_name(node)]
    inputs, copies = iter(node.args[position + 1 :]), dict[fx.Node, Any]()
    regions = []
    with module.graph.inserting_before(node):
        for inner in body.graph.nodes:
            if inner.op == "placeholder":
                copies[inner] = next(inputs)
            elif inner.op == "get_attr":
                copies[inner] = module.graph.get_attr(_adopted(module, attribute(body, str(inner.target))))
                copies[inner].meta.update(inner.meta)
            elif inner.op != "output":
                copies[inner] = module.graph.node_copy(inner, copies.__getitem__)
                regions += [copies[inner]] * is_region(inner)
        (returned,) = body.graph.output_node().args
        results = fx.map_arg(returned, copies.__getitem__)
        _hand_over(module.graph, node, results, detached=_without_gradients(node))
    reader = node.args[position]
    module.graph.erase_node(node)
    if isinstance(reader, fx.Node) and not reader.users:
        module.graph.erase_node(reader)
        if not any(other.op == "get_attr" and other.target == reader.target for other in module.graph.nodes):
            module.delete_submodule(str(reader.target))
    return regions


def _adopted(module: fx.GraphModule, value: Any) -> str:
    """Put what a nested graph holds into the outer module under a free name."""
    count = 0
    while hasattr(module, name := f"region_{count}"):
        count += 1
    if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter):
        module.register_buffer(name, value)
    else:
        setattr(module, name, value)
    return name


def _hand_over(graph: fx.Graph, node: fx.Node, results: Any, *, detached: bool) -> None:
    """Let the readers of a region's results read what its calls computed."""
    for user in list(node.users):
        result = results[user.args[1]]
        # What goes through a region untouched keeps its gradient.
        through = not isinstance(result, fx.Node) or result in node.all_input_nodes
        user.replace_all_uses_with(result if through or not detached else _detached(graph, result, user))
        graph.erase_node(user)


def _detached(graph: fx.Graph, result: fx.Node, like: fx.Node) -> fx.Node:
    if tensor_of(result) is None:
        return result
    made = graph.call_function(torch.ops.aten.detach.default, (result,))
    made.meta.update({**like.meta, "val": result.meta["val"]})
    return made
