"""Removing what a graph does not need: dead calls, unread parameters, empty submodules."""

from __future__ import annotations

import torch
from torch import fx, nn

from .calls import is_mutable


def drop_dead_calls(graph: fx.Graph) -> None:
    """Remove the calls that nothing reads, random ones too; those that write to memory stay."""
    graph.eliminate_dead_code(is_impure_node=lambda n: n.op in ("placeholder", "output") or is_mutable(n))
    graph.lint()


def drop_dead(module: fx.GraphModule) -> None:
    """Remove dead calls, then unread parameters, buffers and empty submodules."""
    drop_dead_calls(module.graph)
    read = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    for path, owner in list(module.named_modules()):
        if _is_inside(path, read):
            continue
        for table in (owner._parameters, owner._buffers):
            for name in list(table):
                if _dotted(path, name) not in read:
                    del table[name]
    _drop_empty(module, "", read)
    module.recompile()


def _is_inside(path: str, read: set[str]) -> bool:
    """Tell whether a module is one that the graph reads, or part of one: it keeps what its own graph reads."""
    parts = path.split(".")
    return any(".".join(parts[: i + 1]) in read for i in range(len(parts)))


def _drop_empty(module: nn.Module, path: str, read: set[str]) -> None:
    for name, child in list(module._modules.items()):
        child_path = _dotted(path, name)
        if child is None or child_path in read:
            continue
        _drop_empty(child, child_path, read)
        if not any((child._parameters, child._buffers, child._modules)) and not _has_constants(child):
            del module._modules[name]


def _has_constants(module: nn.Module) -> bool:
    return any(isinstance(value, torch.Tensor) for value in vars(module).values())


def _dotted(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
