"""A network that draws no random numbers: two cuts of it can be compared, whatever the sizes of what they draw.

Tensors of other sizes take other numbers from the same seed. So draws become what does not depend on sizes: dropout
is switched off, and each number that is drawn becomes one and the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from ...graph.tracing import draws_numbers, set_argument, switch_of

_aten = torch.ops.aten

_NUMBER = 0.5
"""What is drawn: no value that hides a factor or a term."""

_KEPT = ("dtype", "layout", "device", "pin_memory", "memory_format")


def quieten(graph: fx.Graph) -> None:
    """Let the calls of a graph draw nothing, in place; those that are not known are left."""
    for node in graph.nodes:
        if node.op == "call_function" and draws_numbers(node):
            switch = switch_of(node)
            if switch is not None:
                set_argument(node, switch, False)
            elif "dropout_p" in (expected.name for expected in node.target._schema.arguments):
                set_argument(node, "dropout_p", 0.0)
            elif (write := _STILL.get(node.target)) is not None:
                write(node)


def _become(node: fx.Node, target: Any, *args: Any, **more: Any) -> None:
    kept = {name: value for name, value in node.kwargs.items() if name in _KEPT}
    node.target, node.args, node.kwargs = target, args, {**kept, **more}


def _filled(position: int) -> Callable[[fx.Node], None]:
    return lambda node: _become(node, _aten.full.default, node.args[position], _NUMBER)


def _whole(node: fx.Node) -> None:
    """Read whole numbers from a range as the first of it."""
    first = 0 if node.target in (_aten.randint.default, _aten.randint.generator) else node.args[0]
    size = node.args[-1]
    _become(node, _aten.full.default, size, first, dtype=node.kwargs.get("dtype") or torch.int64)


def _like(node: fx.Node) -> None:
    _become(node, _aten.full_like.default, node.args[0], _NUMBER)


def _written(node: fx.Node) -> None:
    _become(node, _aten.fill_.Scalar, node.args[0], _NUMBER)


def _probability(node: fx.Node) -> None:
    _become(node, _aten.clone.default, node.args[0])


def _shifted(node: fx.Node) -> None:
    mean, std = (*node.args, 1.0)[:2]
    if isinstance(mean, fx.Node):
        _become(node, _aten.add.Tensor, mean, std)
    else:
        _become(node, _aten.add.Tensor, std, mean)


_STILL: dict[Any, Callable[[fx.Node], None]] = {
    _aten.rand.default: _filled(0),
    _aten.rand.generator: _filled(0),
    _aten.randn.default: _filled(0),
    _aten.randn.generator: _filled(0),
    _aten.normal.float_float: _filled(2),
    _aten.randint.default: _whole,
    _aten.randint.generator: _whole,
    _aten.randint.low: _whole,
    _aten.randint.low_generator: _whole,
    _aten.randperm.default: lambda node: _become(node, _aten.arange.default, node.args[0], dtype=torch.int64),
    _aten.rand_like.default: _like,
    _aten.rand_like.generator: _like,
    _aten.randn_like.default: _like,
    _aten.randn_like.generator: _like,
    _aten.uniform.default: _like,
    _aten.exponential.default: _like,
    _aten.bernoulli.default: _probability,
    _aten.bernoulli.p: _like,
    _aten.normal.Tensor_float: _shifted,
    _aten.normal.float_Tensor: _shifted,
    _aten.normal.Tensor_Tensor: _shifted,
    _aten.uniform_.default: _written,
    _aten.normal_.default: _written,
    _aten.bernoulli_.float: _written,
    _aten.exponential_.default: _written,
}
"""Call that draws -> how it is written as one that does not."""
