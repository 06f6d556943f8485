"""Casts to narrower types, in files: a network whose own numbers are float32 is written in float32 throughout.

Autocast asks for a narrower type where a device is quicker with it. In which precision a file is computed is the
target's affair, and ONNX Runtime has no layers in bfloat16 on CPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TypeVar

import torch
from torch import fx
from torch.utils import _pytree as pytree

NARROW = frozenset({torch.float16, torch.bfloat16})

M = TypeVar("M", bound=fx.GraphModule)


def named_types(graph: fx.Graph) -> set[torch.dtype]:
    """Return the types that the calls of a graph name."""
    return set(chain.from_iterable(map(_types, graph.nodes)))


def _types(node: fx.Node) -> Iterator[torch.dtype]:
    return (leaf for leaf in pytree.tree_leaves((node.args, node.kwargs)) if isinstance(leaf, torch.dtype))


def widen(module: M) -> M:
    """Write float32, in place, for the narrower types that calls name, unless the network holds such numbers itself."""
    held = {tensor.dtype for tensor in chain(module.parameters(), module.buffers())}
    if held & NARROW or not named_types(module.graph) & NARROW:
        return module

    def wide(value: object) -> object:
        return torch.float32 if value in NARROW else value

    for node in module.graph.nodes:
        if node.op == "call_function":
            node.args, node.kwargs = pytree.tree_map_only(torch.dtype, wide, (node.args, dict(node.kwargs)))
    module.recompile()
    return module
