"""The cut network: a graph module that trains, switches modes and is cut again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from ..graph.module import copy_module
from ..graph.tracing import is_region, switch


def _graphs(module: nn.Module) -> Iterator[fx.GraphModule]:
    """Yield a graph module and the nested graphs that it calls."""
    for part in module.modules():
        if isinstance(part, fx.GraphModule):
            yield part


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where a network's tensors lie and what type its numbers have; None where it holds no such tensor."""

    device: torch.device | None
    dtype: torch.dtype | None

    def moved(self, value: Any, to: _Kind) -> Any:
        """Return what a literal becomes when a network of this kind becomes one of another."""
        if isinstance(value, torch.device) and self.device is not None and value.type == self.device.type:
            return to.device or value
        return (to.dtype or value) if isinstance(value, torch.dtype) and value == self.dtype else value

    def differs(self, other: _Kind) -> bool:
        """Tell whether literals change on the way to another kind."""
        types = [kind.device and kind.device.type for kind in (self, other)]
        return types[0] != types[1] or self.dtype != other.dtype


def _move_literals(module: fx.GraphModule, before: _Kind, after: _Kind) -> None:
    """Write another device and type for every literal of the old ones, in place; regions name their own types."""
    for node in module.graph.nodes:
        if node.op == "call_function" and not is_region(node):
            node.args = pytree.tree_map(lambda value: before.moved(value, after), node.args)
            node.kwargs = pytree.tree_map(lambda value: before.moved(value, after), node.kwargs)
        elif node.op == "placeholder" and node.meta.get("input") is not None:
            shape, dtype = node.meta["input"]
            node.meta["input"] = (shape, before.moved(dtype, after))
    module.recompile()


class Subnet(fx.GraphModule):
    """A network around a cut graph; parameters carry the names that they have in the user's model.

    Exported graphs hold their mode as a literal of each call. `train` and `eval` rewrite those literals that follow
    the mode in the user's network; what is random in evaluation there, or keeps its statistics in training, stays so.
    """

    def train(self, mode: bool = True) -> Self:
        """Switch what follows the mode to training or to evaluation: normalisations, dropout."""
        for part in _graphs(self):
            if switch(part.graph, mode):
                part.recompile()
        return super().train(mode)

    @property
    def device(self) -> torch.device | None:
        """Where its first tensor lies; None where it holds none."""
        first = next(itertools.chain(self.parameters(), self.buffers()), None)
        return None if first is None else first.device

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        """Do what `to`, `cuda` and the like ask for, and let the network's calls follow.

        Exported graphs hold the device of each tensor that a call makes as a literal, and the type as well: `x.dtype`
        in the user's code is one by now.
        """
        before = self._kind()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        after = self._kind()
        if before.differs(after):
            for part in _graphs(self):
                _move_literals(part, before, after)
        return self

    def _kind(self) -> _Kind:
        tensors = itertools.chain(self.parameters(), self.buffers())
        return _Kind(self.device, next((value.dtype for value in tensors if value.is_floating_point()), None))

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
