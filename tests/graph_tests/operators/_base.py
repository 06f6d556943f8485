"""What a test network for an operator rule is, and the frame that leaves the operator alone to decide.

A **frame** hands the operator parameters instead of activations, `p`, `q`, `r`, ..., multiplies each result with a
parameter of its shape, `u`, `v`, ..., and adds all up. So every axis of every argument is free to begin with, also
those that are the batch or an input of a real network, and nothing but the operator ties, freezes or labels them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

Parts = Mapping[str, nn.Module | torch.Tensor]

Width = int | tuple[int, int]
"""Size of a dim; with the number of sets of units that are kept where there are several."""

ARGUMENTS = "pqrstwabcdefg"
CONSUMERS = "uvxyz"


@dataclass(frozen=True, slots=True)
class Case:
    """A small network, and what combing it has to find; the expectations are written by hand.

    Attributes:
        name: Topic and use.
        parts: Makes the modules, parameters and buffers.
        run: Computes the output from the network and its inputs.
        inputs: Shapes of the inputs, with the batch.
        dims: Exactly the dims, by name.
        frozen: Name of a frozen axis -> a part of the reason; these and perhaps others are frozen.
        groups: Names of the dims that count groups.
        blended: Names of the dims that the proof by silence leaves whole.
        unknown: Operators that the rules do not know here.
        static: Whether export fixes the batch.
    """

    name: str
    parts: Callable[[], Parts]
    run: Callable[..., Any]
    inputs: Sequence[tuple[int, ...]]
    dims: Mapping[str, Width]
    frozen: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[str] = ()
    blended: Sequence[str] = ()
    unknown: Sequence[str] = ()
    static: bool = False


class Network(nn.Module):
    """A network that a case describes."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        for name, part in case.parts().items():
            setattr(self, name, part) if isinstance(part, nn.Module | nn.Parameter) else self.register_buffer(
                name, part
            )
        self.run = case.run

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.run(self, *inputs)


def free(*shape: int) -> nn.Parameter:
    """Return a positive parameter: also what is divided by it or under a root is a number."""
    return nn.Parameter(torch.rand(shape) + 0.5)


def conv(inputs: int, outputs: int, **options: Any) -> nn.Conv2d:
    """Return a 1 x 1 convolution."""
    return nn.Conv2d(inputs, outputs, 1, **options)


def frame(
    name: str,
    operator: Callable[..., Any],
    *shapes: tuple[int, ...] | Callable[[], nn.Parameter],
    dims: Mapping[str, Width],
    whole: str = "",
    buffers: Mapping[str, torch.Tensor] | None = None,
    **expected: Any,
) -> Case:
    """Return a case that calls an operator on parameters whose axes are all free.

    Args:
        name: As in `Case`.
        operator: What is called with the parameters, and with the buffers by name.
        shapes: Shapes of the parameters.
        dims: As in `Case`.
        whole: Results ("u v") that are not multiplied: no parameter but the operator's then has their axes.
        buffers: Constants that the operator reads, by name.
        expected: As in `Case`.
    """
    tensors = dict(buffers or {})

    def parts() -> dict[str, nn.Module | torch.Tensor]:
        made = {p: s() if callable(s) else free(*s) for p, s in zip(ARGUMENTS, shapes, strict=False)}
        with torch.no_grad():
            results = _listed(operator(*made.values(), **tensors))
        consumers = {c: free(*y.shape) for c, y in zip(CONSUMERS, results, strict=False) if c not in whole.split()}
        return {**made, **consumers, **tensors}

    def run(network: Any, x: torch.Tensor) -> torch.Tensor:
        arguments = [getattr(network, p) for p in ARGUMENTS[: len(shapes)]]
        if "unknown" in expected:
            # What is computed from parameters alone would be computed once, whatever the operator is.
            arguments[0] = arguments[0] * ((x * 0).sum() + 1)
        results = _listed(operator(*arguments, **{name: getattr(network, name) for name in tensors}))
        for c, result in zip(CONSUMERS, results, strict=False):
            x = x * (result if c in whole.split() else result * getattr(network, c)).sum()
        return x

    return Case(name, parts, run, [(2, 3)], dims, **expected)


def _listed(results: Any) -> Sequence[torch.Tensor]:
    return results if isinstance(results, (tuple, list)) else (results,)
