"""Batch normalisation after a cut: the running statistics are those of the network that was, so take them anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..graph.tracing import MODES, operator_name
from .subnet import Subnet

_TRAINING, _MOMENTUM = 5, 6
"""Positions of batch_norm's arguments."""


def recalibrate(subnet: Subnet, inputs: torch.Tensor, batch: int = 256) -> None:
    """Set the running statistics of every batch normalisation that learns some to those of `inputs`, in place.

    Means and variances are averaged over batches of at most `batch` rows, of equal weight. Nothing else changes, and
    the subnet's mode stays. A network without batch normalisation is left as it is, and so is one that keeps its
    statistics in training.

    Args:
        subnet: The network, in eval mode.
        inputs: Of shape (n, ...), n at least 2.
        batch: Rows that are run at once.
    """
    nodes = _learning(subnet)
    names = {str(node.args[i].target) for node in nodes for i in (3, 4) if node.args[i] is not None}
    if not names:
        return
    sums: dict[str, torch.Tensor] = {}
    # A last batch of one row has no variance; chunks are of nearly equal size.
    chunks = inputs.chunk(max(1, -(-len(inputs) // batch)))
    with _statistics_of_the_batch(subnet), torch.no_grad():
        buffers = dict(subnet.named_buffers())
        for chunk in chunks:
            subnet(chunk)
            for name in names:
                sums[name] = sums[name] + buffers[name] if name in sums else buffers[name].clone()
        for name in names:
            buffers[name].copy_(sums[name] / len(chunks))


def _learning(subnet: Subnet) -> list[Any]:
    """Return the batch normalisations whose statistics training moves."""
    return [
        node
        for node in subnet.graph.nodes
        if operator_name(node) == "batch_norm" and "training" in node.meta.get(MODES, {}) and node.args[3] is not None
    ]


@contextmanager
def _statistics_of_the_batch(subnet: Subnet) -> Iterator[None]:
    """Run batch normalisations in training mode, each batch overwriting the running statistics."""
    nodes = _learning(subnet)
    before = [(node.args[_TRAINING], node.args[_MOMENTUM]) for node in nodes]
    try:
        _write(subnet, [(True, 1.0)] * len(nodes))
        yield
    finally:
        _write(subnet, before)


def _write(subnet: Subnet, values: list[tuple[object, object]]) -> None:
    for node, (training, momentum) in zip(_learning(subnet), values, strict=True):
        node.update_arg(_TRAINING, training)
        node.update_arg(_MOMENTUM, momentum)
    subnet.recompile()
