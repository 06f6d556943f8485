"""What a proof is, and how two networks are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from ...graph import Trace
from ...graph.tracing import seeded_draws


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of one proof.

    Attributes:
        name: Which proof.
        max_abs_diff: Largest absolute difference of the two outputs; None where the proof does not apply.
        scale: Largest absolute value of the reference output.
        tolerance: Largest relative difference that passes.
        exact: Whether the proof speaks of the whole cut; else `note` says of what it does not.
        note: What the proof leaves out, or why it does not apply.
    """

    name: str
    max_abs_diff: float | None
    scale: float
    tolerance: float
    exact: bool = True
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the proof applies and the relative difference is a number within the tolerance."""
        return self.max_abs_diff is not None and self.max_abs_diff <= self.tolerance * max(self.scale, 1e-30)

    @property
    def failed(self) -> bool:
        """Whether the proof applies and the difference is too large, or no number."""
        return self.max_abs_diff is not None and not self.passed

    def to_json(self) -> dict[str, Any]:
        """Return what reports hold; `passed` is null where the proof does not apply."""
        return {
            "max_abs_diff": self.max_abs_diff,
            "tolerance": self.tolerance * self.scale,
            "passed": None if self.max_abs_diff is None else self.passed,
            "exact": self.exact,
            "note": self.note,
        }


def compare(
    name: str, expected: torch.Tensor, got: torch.Tensor, tolerance: float, *, exact: bool = True, note: str = ""
) -> Proof:
    """Compare two flat outputs; outputs of different shape, or such that are no numbers, fail.

    Infinities, and what is no number in both, count as the same where there are numbers beside them.
    """
    if expected.shape != got.shape:
        return Proof(name, float("inf"), 1.0, tolerance, exact, f"{got.numel()} outputs instead of {expected.numel()}")
    same = (expected == got) | (expected.isnan() & got.isnan())
    if expected.numel() and not bool(expected.isfinite().any()):
        same[:] = False
    difference = float((expected - got).abs().masked_fill(same, 0.0).max()) if expected.numel() else 0.0
    finite = expected[expected.isfinite()]
    return Proof(name, difference, float(finite.abs().max()) if finite.numel() else 0.0, tolerance, exact, note)


def first_line(exc: BaseException) -> str:
    """Return what an exception says first, without its full stop."""
    return (str(exc).strip().splitlines() or [""])[0].rstrip(".")


def outputs(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """Run a network without gradients and return all of its output tensors as one flat float64 tensor.

    It runs on copies: a network may write to its inputs, and the next one is to be given the same. What it draws comes
    from one seed.
    """
    args, kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (args, kwargs))
    with torch.no_grad(), seeded_draws():
        return flat(model(*args, **kwargs))


def flat(value: Any) -> torch.Tensor:
    """Return all tensors in nested outputs as one flat float64 tensor."""
    leaves = [leaf.detach() for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]
    real = [torch.view_as_real(leaf.resolve_conj()) if leaf.is_complex() else leaf for leaf in leaves]
    return torch.cat([leaf.double().reshape(-1) for leaf in real])


def draw_like(trace: Trace, rng: np.random.Generator, dtype: torch.dtype | None = None) -> tuple[Any, dict[str, Any]]:
    """Return the example's arguments with random numbers in place of its floating-point ones.

    Args:
        trace: Whose example.
        rng: Where the numbers come from.
        dtype: Their type; None for the example's own.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))

    def draw(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or not (value.is_floating_point() or value.is_complex()):
            return value
        wide = torch.complex128 if value.is_complex() else torch.float64
        drawn = torch.randn(value.shape, generator=generator, dtype=wide)
        return drawn.to(value.device, value.dtype if dtype is None else wide if value.is_complex() else dtype)

    return pytree.tree_map(draw, trace.example), pytree.tree_map(draw, dict(trace.example_kwargs))
