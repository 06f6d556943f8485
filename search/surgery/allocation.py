"""How much memory a network holds while it runs, told from the shapes of its tensors, without running it.

A graph of a few lines can ask for any amount: one call that makes a tensor from two numbers is enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree

from ..errors import BundleError
from ..graph.module import attribute

MOST_RUN_BYTES = 16 * 2**30
"""Bytes that a stored network may hold while it runs, its weights apart, unless the user says otherwise."""

_MOST_TRIES = 40
"""Batch sizes that are tried where a network is of one only and does not say of which."""


class _Ledger:
    """Which memory is in use while a graph is walked.

    Attributes:
        most: Bytes in use at once, at most, so far.
    """

    def __init__(self) -> None:
        self.most, self._now = 0, 0
        self._users, self._sizes = Counter[int](), dict[int, int]()
        # The storages themselves are kept with their numbers, which would otherwise be given to others.
        self._storages = dict[int, Any]()

    def take(self, value: Any) -> list[int]:
        """Count the memory of a call's results once, however many tensors share it; return its numbers."""
        found = []
        for tensor in _tensors(value):
            storage = tensor.untyped_storage()
            number = storage._cdata
            if not self._users[number]:
                self._storages[number], self._sizes[number] = storage, int(storage.nbytes())
                self._now += self._sizes[number]
            self._users[number] += 1
            found.append(number)
        self.most = max(self.most, self._now)
        return found

    def give(self, numbers: Iterable[int]) -> None:
        """Count that a tensor is not needed any more."""
        for number in numbers:
            self._users[number] -= 1
            if not self._users[number]:
                self._now -= self._sizes.pop(number)
                del self._storages[number]


def run_bytes(module: fx.GraphModule, *, batch: int | None = None, most: int | None = None) -> int:
    """Return the bytes that a network holds at once while it runs, at most, its weights apart.

    Args:
        module: Of tensors on the CPU; each placeholder says of which shape and type its input is.
        batch: Its batch size; where left out 1, or else a size that its graph names.
        most: Where to stop.

    Raises:
        BundleError: It is more than `most`; the call is named.
        Exception: What torch raises about a graph that cannot run.
    """
    trouble: Exception | None = None
    for size in _batches(module) if batch is None else [batch]:
        try:
            return _walked(module, size, most)
        except BundleError:
            raise
        except Exception as exc:
            trouble = trouble or exc
    raise trouble or ValueError("A network has a batch size to be tried.")


def _walked(module: fx.GraphModule, batch: int, most: int | None) -> int:
    ledger, values, held = _Ledger(), dict[fx.Node, Any](), dict[fx.Node, list[int]]()
    mode = FakeTensorMode(allow_fallback_kernels=False)
    with mode, torch.no_grad():
        for node in module.graph.nodes:
            values[node] = _value(node, values, module, mode, batch)
            if node.op != "get_attr":
                held[node] = ledger.take(values[node])
            if most is not None and ledger.most > most:
                raise BundleError(
                    f"A stored network may hold {most:,} bytes at once while it runs, but at a batch of {batch} "
                    f"{node.target} ({node.name}) brings it to {ledger.most:,}: do not trust it, or raise the limit "
                    "(`most_bytes`, or `--most-gib` on the command line)."
                )
            for done in _last_used(node):
                ledger.give(held.pop(done, ()))
                values.pop(done, None)
    return ledger.most


def _value(node: fx.Node, values: dict[fx.Node, Any], module: nn.Module, mode: FakeTensorMode, batch: int) -> Any:
    if node.op == "get_attr":
        return mode.from_tensor(attribute(module, str(node.target)))
    if node.op == "placeholder":
        found = node.meta.get("input")
        if found is None and node.users:
            raise BundleError(
                f"A stored graph says of which shape and type its inputs are, but {node.name!r} is read and nothing is "
                "said of it."
            )
        return None if found is None else torch.empty(batch, *found[0], dtype=found[1])
    args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
    if node.op == "output":
        return args
    target: Callable[..., Any] = node.target  # type: ignore[assignment]
    return target(*args, **kwargs)


def _last_used(node: fx.Node) -> Iterator[fx.Node]:
    """Yield the nodes whose values nobody needs after this one."""
    for source in (*node.all_input_nodes, node):
        if not any(user > node for user in source.users):
            yield source


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _batches(module: fx.GraphModule) -> list[int]:
    """Return 1 and the sizes that a network of one batch size only names somewhere, the small ones first."""
    literals = [leaf for node in module.graph.nodes for leaf in pytree.tree_leaves((node.args, node.kwargs))]
    shapes = [tensor.shape[0] for tensor in (*module.parameters(), *module.buffers()) if tensor.dim()]
    sizes = {size for size in (*literals, *shapes) if type(size) is int and size > 1}
    return [1, *sorted(sizes)[:_MOST_TRIES]]
