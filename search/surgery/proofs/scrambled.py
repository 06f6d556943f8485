"""A network with random numbers everywhere, in float64: no zero or one hides a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.utils import _pytree as pytree

from ...graph import Blueprint, Selection, full
from ...graph.module import copy_module
from ...graph.tracing import operator_name
from .quiet import quieten

_ENABLED = 2
"""Position of the argument of an autocast region that switches it on."""


_NARROW = {"fake_quantize_per_channel_affine": 1, "_fake_quantize_learnable_per_channel_affine": 1}
"""Operator -> position of an argument that it takes in no wider type than float32."""


def everything(blueprint: Blueprint) -> Selection:
    """Return the selection that keeps all units in their order."""
    return Selection(full(blueprint), {dim.name: [range(dim.size)] * dim.outer for dim in blueprint.dims})


def scramble(blueprint: Blueprint, rng: np.random.Generator, *, double: bool = True) -> Blueprint:
    """Return the blueprint with random parameters and buffers, and without random draws.

    What is positive everywhere stays so (variances, scales below a root), and so does a mask of infinities.

    Args:
        blueprint: The combed network.
        rng: Where the numbers come from.
        double: Whether all is in float64 (complex128); else each tensor keeps its type.
    """
    module = copy_module(blueprint.trace.module)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    for value in [*module.parameters(), *module.buffers()]:
        if value.is_floating_point() or value.is_complex():
            value.data = _scrambled(value.data.to(_wide(value.dtype)), generator).to(
                _wide(value.dtype) if double else value.dtype
            )
    for part in module.modules():
        if isinstance(part, fx.GraphModule):
            quieten(part.graph)
            if double:
                _compute_in_double(part.graph)
            part.recompile()
    return replace(blueprint, trace=replace(blueprint.trace, module=module))


@contextmanager
def in_double() -> Iterator[None]:
    """Let what makes a tensor without naming a type (`torch.ones`, whole numbers divided) make float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _scrambled(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(value.shape, generator=generator, dtype=value.dtype).to(value.device)
    if not value.is_complex() and bool((value > 0).all()):
        return value * (0.3 * noise).exp()
    if not bool(value.isfinite().all()):
        return value
    spread = float(value.std()) if value.numel() > 1 else 1.0
    # Scaled back to the old spread: signals that grow from layer to layer would magnify rounding.
    return (value + noise * (spread or 0.1)) / 2**0.5


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype.is_complex else torch.float64 if dtype.is_floating_point else dtype


def _compute_in_double(graph: fx.Graph) -> None:
    """Write float64 for every floating-point type that a call names, so that the proof is not blurred by a cast."""

    def double(value: Any) -> Any:
        return _wide(value) if isinstance(value, torch.dtype) else value

    for node in list(graph.nodes):
        if operator_name(node) == "wrap_with_autocast":
            # What it is switched on for is narrower than float64.
            node.update_arg(_ENABLED, False)
        elif node.op == "call_function":
            node.args = pytree.tree_map(double, node.args)
            node.kwargs = pytree.tree_map(double, node.kwargs)
            if operator_name(node) in _NARROW:
                position = _NARROW[operator_name(node)]
                with graph.inserting_before(node):
                    narrow = graph.call_function(torch.ops.aten.to.dtype, (node.args[position], torch.float32))
                node.update_arg(position, narrow)
