"""Writes to memory as values, wherever that is provably the same.

What is left is frozen later: a write that is taken for a value by mistake changes results without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx

from .aliases import Families
from .memory import rebuild_written
from .writes import is_expressible, written_value


def make_functional(graph: fx.Graph) -> None:
    """Turn writes into values: by following memory, and where that is not certain, where nothing reads it again."""
    rebuild_written(graph)
    for node in _last_writes(graph, is_expressible):
        written_value(node)


def rename_reshapes(graph: fx.Graph) -> None:
    """Turn what changes a tensor's shape in place (`squeeze_`) into views where nothing reads the tensor again."""
    for node in graph.nodes:
        # It holds back gradients and writes no numbers; without another reader it is `detach`.
        if node.target is _aten.detach_.default and len(node.args[0].users) == 1:
            node.target = _aten.detach.default
    for node in _last_writes(graph, lambda node: node.target in _RESHAPES):
        target: Any = node.target
        node.target = _RESHAPES[target]


def _last_writes(graph: fx.Graph, is_wanted: Callable[[fx.Node], bool]) -> Iterator[fx.Node]:
    """Yield the writes after which nothing is read but the write's own result.

    Each family of nodes that may share memory is walked in program order. Where what it holds before a write is read
    for the last time by the write itself, all that comes after descends from the write's result.
    """
    families, order = Families(graph), {node: i for i, node in enumerate(graph.nodes)}
    last_read: dict[fx.Node, int] = {}
    outside: set[fx.Node] = set()
    for node in list(graph.nodes):
        family = families.family(node)
        own = max((order[user] for user in node.users), default=-1)
        if family not in outside and last_read.get(family, -1) <= order[node] and is_wanted(node):
            yield node
        if node.op in ("placeholder", "get_attr"):
            outside.add(family)
        last_read[family] = max(last_read.get(family, -1), own)


_aten = torch.ops.aten

_RESHAPES: dict[Any, Any] = {
    _aten.squeeze_.default: _aten.squeeze.default,
    _aten.squeeze_.dim: _aten.squeeze.dim,
    _aten.squeeze_.dims: _aten.squeeze.dims,
    _aten.unsqueeze_.default: _aten.unsqueeze.default,
    _aten.t_.default: _aten.t.default,
    _aten.transpose_.default: _aten.transpose.int,
    _aten.swapaxes_.default: _aten.swapaxes.default,
    _aten.swapdims_.default: _aten.swapdims.default,
}
"""Call that changes a tensor's shape in place -> the view."""
