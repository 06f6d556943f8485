"""Cut a network: slice what is kept, on a copy."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

from ..graph import Blueprint, Selection, Size, edited
from ..graph.kept import Places
from ..graph.module import copy_graph, held, like, place
from ..graph.tracing import drop_dead_calls
from .subnet import Subnet


def cut(blueprint: Blueprint, selection: Selection) -> Subnet:
    """Return the network that a selection names. The blueprint and the user's model stay as they are.

    Args:
        blueprint: The combed network.
        selection: Which units and blocks stay; an order other than ascending permutes the units.

    Returns:
        A network in eval mode with parameters of its own.

    Raises:
        ValueError: The selection does not belong to the blueprint.
    """
    blueprint.check_selection(selection)
    graph, nodes = copy_graph(blueprint.graph)
    _replace_calls(blueprint, selection, nodes)
    _write_literals(blueprint, selection, nodes)
    drop_dead_calls(graph)
    return Subnet(_sliced_tensors(graph, blueprint, selection), graph).eval()


def _replace_calls(blueprint: Blueprint, selection: Selection, nodes: Mapping[fx.Node, fx.Node]) -> None:
    """Let what read a removed block read what stays of it, in the copy."""
    by_name = {old.name: new for old, new in nodes.items()}
    for name, instead in edited(blueprint, selection.candidate.choices).replaced.items():
        by_name[name].replace_all_uses_with(by_name[instead])


def _write_literals(blueprint: Blueprint, selection: Selection, nodes: Mapping[fx.Node, fx.Node]) -> None:
    widths = blueprint.widths(selection.candidate)
    for old, new in nodes.items():
        flow = blueprint.flows.get(old.name)
        for name, value in flow.literals.items() if flow is not None else ():
            if isinstance(value, tuple):
                set_argument(new, name, blueprint.algebra.width(value, widths).count)
            else:
                entries = argument(new, name)
                set_argument(new, name, [
                    entry if axis is None else _size(blueprint.algebra.width(axis, widths))
                    for axis, entry in zip(value, entries, strict=True)
                ])  # fmt: skip


def _size(size: Size) -> int:
    """Return an entry of a shape argument, -1 for the one axis that carries the batch."""
    return -1 if size.symbols else size.count


def argument(node: fx.Node, name: str) -> Any:
    """Return a call's argument by its name in the operator's schema."""
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    position = names.index(name)
    return node.args[position] if position < len(node.args) else node.kwargs[name]


def set_argument(node: fx.Node, name: str, value: object) -> None:
    """Set a call's argument by its name in the operator's schema."""
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    position = names.index(name)
    if position < len(node.args):
        node.update_arg(position, value)  # type: ignore[arg-type]
    else:
        node.update_kwarg(name, value)  # type: ignore[arg-type]


def _sliced_tensors(graph: fx.Graph, blueprint: Blueprint, selection: Selection) -> nn.Module:
    """Return a bare module that holds what the graph reads, sliced; tied tensors stay tied."""
    root = nn.Module()
    made: dict[int, Any] = {}
    slices = blueprint.slices(selection)
    for name, value in held(blueprint.trace.module, graph).items():
        if id(value) not in made:
            is_tensor = isinstance(value, torch.Tensor)
            made[id(value)] = (
                _sliced(value, slices.places(blueprint.parameters[name])) if is_tensor else copy.deepcopy(value)
            )
        place(root, name, made[id(value)])
    return root


def _sliced(value: torch.Tensor, steps: Sequence[Places]) -> torch.Tensor:
    """Return what stays of a parameter or buffer, in memory of its own."""
    data = value.detach()
    for step in steps:
        index = torch.as_tensor(step.index, device=value.device)
        if index.dim() == 1:
            data = data.index_select(step.axis, index)
        else:
            data = torch.take_along_dim(data, index, step.axis)
    return like(value, data.clone() if data.data_ptr() == value.data_ptr() else data)
