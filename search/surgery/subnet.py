"""The cut network: a graph module that trains, switches modes and is cut again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Self

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from ..graph.module import copy_module
from ..graph.tracing import operator_name

_MODE_LITERAL = {"batch_norm": 5, "dropout": 2, "feature_dropout": 2, "alpha_dropout": 2}
"""Operator -> position of the argument that says whether it trains."""


def _graphs(module: nn.Module) -> Iterator[fx.GraphModule]:
    """Yield a graph module and the nested graphs that it calls."""
    for part in module.modules():
        if isinstance(part, fx.GraphModule):
            yield part


def _move_literals(module: fx.GraphModule, before: torch.device, after: torch.device) -> None:
    """Write another device for every literal of a device of the old kind, in place."""

    def moved(value: Any) -> Any:
        return after if isinstance(value, torch.device) and value.type == before.type else value

    for node in module.graph.nodes:
        if node.op == "call_function":
            node.args = pytree.tree_map(moved, node.args)
            node.kwargs = pytree.tree_map(moved, node.kwargs)
    module.recompile()


class Subnet(fx.GraphModule):
    """A network around a cut graph; parameters carry the names that they have in the user's model.

    Exported graphs hold their mode as a literal of each call. `train` and `eval` rewrite those literals.
    """

    def train(self, mode: bool = True) -> Self:
        """Switch batch normalisation and dropout to training or to evaluation."""
        for part in _graphs(self):
            changed = False
            for node in part.graph.nodes:
                position = _MODE_LITERAL.get(operator_name(node))
                if position is not None and node.args[position] != mode and _has_two_modes(node):
                    node.update_arg(position, mode)
                    changed = True
            if changed:
                part.recompile()
        return super().train(mode)

    @property
    def device(self) -> torch.device | None:
        """Where its first tensor lies; None where it holds none."""
        first = next(itertools.chain(self.parameters(), self.buffers()), None)
        return None if first is None else first.device

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        """Do what `to`, `cuda` and the like ask for, and let calls that make tensors make them there too.

        Exported graphs hold the device as a literal of each such call.
        """
        before = self.device
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        after = self.device
        if before is not None and after is not None and before.type != after.type:
            for part in _graphs(self):
                _move_literals(part, before, after)
        return self

    def example(self, batch: int = 1) -> tuple[torch.Tensor, ...]:
        """Return zeros of the inputs' shapes and types, in order.

        Raises:
            ValueError: An input is no tensor of fixed sizes.
        """
        inputs = [node.meta.get("input") for node in self.graph.nodes if node.op == "placeholder"]
        if any(found is None for found in inputs):
            raise ValueError("Only networks whose inputs are all tensors have an example; pass `args` instead.")
        return tuple(torch.zeros(batch, *shape, dtype=dtype) for shape, dtype in inputs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy tensors and graph; ties between parameters stay."""
        twin = copy_module(self)
        memo[id(self)] = twin
        return twin


def _has_two_modes(node: fx.Node) -> bool:
    """Tell whether evaluation differs from training: without running statistics the batch's are taken in both."""
    return operator_name(node) != "batch_norm" or node.args[3] is not None
