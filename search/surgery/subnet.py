"""The cut network: a graph module that trains, switches modes and is cut again."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import fx

from ..graph.module import copy_module
from ..graph.trace import operator_name

_MODE_LITERAL = {"batch_norm": 5, "dropout": 2, "feature_dropout": 2, "alpha_dropout": 2}
"""Operator -> position of the argument that says whether it trains."""


class Subnet(fx.GraphModule):
    """A network around a cut graph; parameters carry the names that they have in the user's model.

    Exported graphs hold their mode as a literal of each call. `train` and `eval` rewrite those literals.
    """

    def train(self, mode: bool = True) -> Self:
        """Switch batch normalisation and dropout to training or to evaluation."""
        changed = False
        for node in self.graph.nodes:
            position = _MODE_LITERAL.get(operator_name(node))
            if position is not None and node.args[position] != mode and _has_two_modes(node):
                node.update_arg(position, mode)
                changed = True
        if changed:
            self.recompile()
        return super().train(mode)

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
