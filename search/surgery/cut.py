"""Cut a network: slice what is kept, on a copy."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from ..graph import Blueprint, Selection, Size
from ..graph.module import copy_graph, held, like, place
from ..graph.trace import drop_dead_calls
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
    blueprint.check(selection.candidate)
    graph, nodes = copy_graph(blueprint.graph)
    _remove_blocks(blueprint, selection, nodes)
    _write_literals(blueprint, selection, nodes)
    drop_dead_calls(graph)
    return Subnet(_sliced_tensors(graph, blueprint, selection), graph).eval()


def _remove_blocks(blueprint: Blueprint, selection: Selection, nodes: Mapping[fx.Node, fx.Node]) -> None:
    by_name = {old.name: new for old, new in nodes.items()}
    removed = selection.candidate.removed
    detour = {block.addition: block.stays for block in blueprint.blocks if block.name in removed}
    for addition, stays in detour.items():
        # What stays may itself be the addition of a removed block, where blocks follow each other directly.
        while stays in detour:
            stays = detour[stays]
        by_name[addition].replace_all_uses_with(by_name[stays])


def _write_literals(blueprint: Blueprint, selection: Selection, nodes: Mapping[fx.Node, fx.Node]) -> None:
    widths = blueprint.widths(selection.candidate)
    for old, new in nodes.items():
        for name, value in blueprint.literals.get(old.name, {}).items():
            sizes = [blueprint.algebra.width(axis, widths) for axis in (value if isinstance(value, list) else [value])]
            set_argument(new, name, _sizes(sizes) if isinstance(value, list) else sizes[0].count)


def _sizes(sizes: list[Size]) -> list[int]:
    """Return a shape argument, with -1 for the one axis that carries the batch."""
    return [-1 if size.symbols else size.count for size in sizes]


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
    for name, value in held(blueprint.trace.module, graph).items():
        if id(value) not in made:
            is_tensor = isinstance(value, torch.Tensor)
            made[id(value)] = _sliced(value, name, blueprint, selection) if is_tensor else copy.deepcopy(value)
        place(root, name, made[id(value)])
    return root


def _sliced(value: torch.Tensor, name: str, blueprint: Blueprint, selection: Selection) -> torch.Tensor:
    data = value.detach()
    for i, axis in enumerate(blueprint.parameters[name]):
        if blueprint.dims_of(axis):
            index = torch.as_tensor(blueprint.indices(axis, selection), device=value.device)
            data = data.index_select(i, index)
    return like(value, data.clone() if data.data_ptr() == value.data_ptr() else data)
