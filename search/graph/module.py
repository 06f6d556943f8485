"""Graph modules as values: reading what they hold, copying them, putting tensors at dotted paths."""

from __future__ import annotations

import copy
from typing import Any, TypeVar, cast

import torch
from torch import fx, nn

M = TypeVar("M", bound=fx.GraphModule)


def attribute(module: nn.Module, path: str) -> Any:
    """Return what a dotted path names in `module`."""
    value: Any = module
    for part in path.split("."):
        value = getattr(value, part)
    return value


def held(module: nn.Module, graph: fx.Graph) -> dict[str, Any]:
    """Return what the graph reads from the module: dotted path -> tensor or submodule, in the graph's order."""
    return {str(node.target): attribute(module, str(node.target)) for node in graph.nodes if node.op == "get_attr"}


def place(root: nn.Module, path: str, value: Any) -> None:
    """Put a parameter, buffer or module at a dotted path, making bare modules on the way."""
    *parents, name = path.split(".")
    owner = root
    for parent in parents:
        if parent not in owner._modules:
            owner.add_module(parent, nn.Module())
        owner = owner.get_submodule(parent)
    if isinstance(value, nn.Parameter):
        owner.register_parameter(name, value)
    elif isinstance(value, torch.Tensor):
        owner.register_buffer(name, value)
    else:
        owner.add_module(name, value)


def like(value: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
    """Return `data` as a parameter or a buffer, as `value` is."""
    if isinstance(value, nn.Parameter):
        return nn.Parameter(data, requires_grad=value.requires_grad)
    return data


def copy_graph(graph: fx.Graph) -> tuple[fx.Graph, dict[fx.Node, fx.Node]]:
    """Return a copy of a graph (names, metadata and input structure included) and old node -> new node."""
    twin, nodes = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in graph.nodes:
        nodes[node] = twin.node_copy(node, nodes.__getitem__)
    twin.set_codegen(graph._codegen)
    return twin, nodes


def copy_module(module: M) -> M:
    """Return a copy of a graph module with tensors of its own; tied tensors stay tied."""
    root = nn.Module()
    copies: dict[int, Any] = {}
    for path, value in held(module, module.graph).items():
        if id(value) not in copies:
            is_tensor = isinstance(value, torch.Tensor)
            copies[id(value)] = like(value, value.detach().clone()) if is_tensor else copy.deepcopy(value)
        place(root, path, copies[id(value)])
    # fx gives each graph module a class of its own; only the class below that one can be called.
    written = next(t for t in type(module).__mro__ if not t.__qualname__.endswith("GraphModuleImpl"))
    twin = cast(M, written(root, copy_graph(module.graph)[0]))
    twin.training = module.training
    return twin
