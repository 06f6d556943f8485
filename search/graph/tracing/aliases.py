"""Which calls of a graph may share memory.

Two sources say so: the operators' schemas, and the memory of the stand-in tensors that export left at each call.
Neither is complete. A schema says "may" where the answer depends on strides, and some operators return their argument
without saying it; stand-ins are made by decompositions that sometimes copy where the operator itself does not.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import fx

from .calls import operator_name

_SILENT = frozenset(
    {
        "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "type_as", "meshgrid",
        "broadcast_tensors", "atleast_1d", "atleast_2d", "atleast_3d", "sum_to_size", "channel_shuffle",
        "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "getitem",
    }
)  # fmt: skip
"""Operators that may return the memory of an argument without declaring it."""


def may_share(node: fx.Node) -> list[fx.Node]:
    """Return the arguments whose memory a call may return, by what is known of its operator."""
    if node.op != "call_function":
        return []
    schema = getattr(node.target, "_schema", None)
    if operator_name(node) == "einsum":
        # With one operand it is a view; what it computes from several has memory of its own.
        return node.all_input_nodes if len(node.all_input_nodes) == 1 else []
    if operator_name(node) in _SILENT or isinstance(node.target, torch._ops.HigherOrderOperator):
        return node.all_input_nodes
    if schema is None or all(result.alias_info is None for result in schema.returns):
        return []
    given = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False)) | dict(node.kwargs)
    shared = [given.get(argument.name) for argument in schema.arguments if argument.alias_info is not None]
    return [source for value in shared for source in _nodes(value)]


def _nodes(value: object) -> list[fx.Node]:
    values = value if isinstance(value, (list, tuple)) else (value,)
    return [item for item in values if isinstance(item, fx.Node)]


def storages(node: fx.Node) -> Iterator[int]:
    """Yield what tells apart the memories of the tensors that stand in for a call's results."""
    value = node.meta.get("val")
    for tensor in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided:
            yield tensor.untyped_storage()._cdata


class Families:
    """The calls of a graph, grouped so that calls of different groups never share memory."""

    def __init__(self, graph: fx.Graph) -> None:
        self._parent: dict[fx.Node, fx.Node] = {}
        by_storage: dict[int, fx.Node] = {}
        for node in graph.nodes:
            self._parent[node] = node
            for source in may_share(node):
                self._union(source, node)
            for storage in storages(node):
                self._union(by_storage.setdefault(storage, node), node)

    def family(self, node: fx.Node) -> fx.Node:
        """Return the node that stands for all nodes that may share memory with this one."""
        while self._parent[node] is not node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node

    def _union(self, a: fx.Node, b: fx.Node) -> None:
        self._parent[self.family(b)] = self.family(a)
