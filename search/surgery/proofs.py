"""Proofs that a cut is right; each returns what it measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.utils import _pytree as pytree

from ..graph import Blueprint, Selection, full
from ..graph.module import copy_module
from .cut import cut

PERMUTATION_TOLERANCE = 1e-9
"""Largest relative difference, in float64, at which two orders of the same units count as one network."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of one proof.

    Attributes:
        name: Which proof.
        max_abs_diff: Largest absolute difference of the two outputs.
        scale: Largest absolute value of the reference output.
        tolerance: Largest relative difference that passes.
    """

    name: str
    max_abs_diff: float
    scale: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the relative difference is within the tolerance (and is a number)."""
        return bool(self.max_abs_diff <= self.tolerance * max(self.scale, 1e-30))

    def to_json(self) -> dict[str, Any]:
        """Return what reports hold."""
        return {
            "max_abs_diff": self.max_abs_diff,
            "tolerance": self.tolerance * self.scale,
            "passed": self.passed,
            "exact": True,
        }


def permutation(blueprint: Blueprint, rng: np.random.Generator) -> Proof:
    """Permute the units of every dim at random, slice anew, and compare outputs in float64.

    All parameters and buffers are scrambled first, so that no zero or one hides a mistake: what should have stayed
    together and came apart changes the output.
    """
    scrambled = scramble(blueprint, rng)
    whole = full(scrambled)
    order = {dim.name: [rng.permutation(dim.size) for _ in range(dim.outer)] for dim in blueprint.dims}
    before = cut(scrambled, everything(scrambled))
    after = cut(scrambled, Selection(whole, order))
    args, kwargs = _example(blueprint, rng)
    with torch.no_grad():
        expected, got = _flat(before(*args, **kwargs)), _flat(after(*args, **kwargs))
    difference = float((expected - got).abs().max())
    return Proof("permutation", difference, float(expected.abs().max()), PERMUTATION_TOLERANCE)


def everything(blueprint: Blueprint) -> Selection:
    """Return the selection that keeps all units in their order."""
    return Selection(full(blueprint), {dim.name: [range(dim.size)] * dim.outer for dim in blueprint.dims})


def scramble(blueprint: Blueprint, rng: np.random.Generator) -> Blueprint:
    """Return the blueprint with random float64 parameters and buffers.

    What is positive everywhere stays so (variances, scales below a root), and so does a mask of infinities.
    """
    module = copy_module(blueprint.trace.module)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    for value in [*module.parameters(), *module.buffers()]:
        if value.is_floating_point():
            value.data = value.data.double()
            noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            if bool((value > 0).all()):
                value.data = value.data * (0.3 * noise).exp()
            elif bool(value.isfinite().all()):
                spread = float(value.data.std()) if value.numel() > 1 else 1.0
                # Scaled back to the old spread: signals that grow from layer to layer would magnify rounding.
                value.data = (value.data + noise * (spread or 0.1)) / 2**0.5
    _compute_in_double(module.graph)
    module.recompile()
    return replace(blueprint, trace=replace(blueprint.trace, module=module))


def _compute_in_double(graph: fx.Graph) -> None:
    """Write float64 for every floating-point type that a call names, so that the proof is not blurred by a cast."""

    def double(value: Any) -> Any:
        return torch.float64 if isinstance(value, torch.dtype) and value.is_floating_point else value

    for node in graph.nodes:
        if node.op == "call_function":
            node.args = pytree.tree_map(double, node.args)
            node.kwargs = pytree.tree_map(double, node.kwargs)


def _example(blueprint: Blueprint, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the example's arguments with random float64 numbers in place of its floating-point ones."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))

    def draw(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return torch.randn(value.shape, generator=generator, dtype=torch.float64)
        return value

    return pytree.tree_map(draw, blueprint.trace.example), pytree.tree_map(draw, dict(blueprint.trace.example_kwargs))


def _flat(outputs: Any) -> torch.Tensor:
    leaves = [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    return torch.cat([leaf.detach().double().reshape(-1) for leaf in leaves])
