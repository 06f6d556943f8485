"""Tensors made from sizes, which are written anew where they are widths."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ._base import Case, frame


def _chain(make: Callable[[Tensor, int, int], Tensor]) -> Callable[..., Any]:
    """Put what is made of the batch and of 6 beside channels."""

    def run(network: Any, x: Tensor) -> Tensor:
        y = network.a(x)
        out: Tensor = network.b(y + make(y, y.shape[0], 6))
        return out

    return run


MADE: dict[str, Callable[[Tensor, int, int], Tensor]] = {
    "zeros": lambda y, n, m: torch.zeros(n, m),
    "ones": lambda y, n, m: torch.ones(n, m),
    "full": lambda y, n, m: torch.full((n, m), 2.0),
    "empty": lambda y, n, m: torch.full_like(torch.empty(n, m), 2.0),
    "new_zeros": lambda y, n, m: y.new_zeros((n, m)),
    "new_ones": lambda y, n, m: y.new_ones((n, m)),
    "new_full": lambda y, n, m: y.new_full((n, m), 2.0),
    "new_empty": lambda y, n, m: torch.full_like(y.new_empty((n, m)), 2.0),
}


def _by_threes(make: Callable[[Tensor, int, int], Tensor]) -> Callable[..., Any]:
    """Make three rows for each of the batch: a size that is computed is not written anew, so 3 stays."""

    def run(network: Any, p: Tensor) -> Tensor:
        y = network.a(p).flatten(1).view(-1, 3, 6)
        out: Tensor = network.b(y + make(y, y.shape[0] * 3, 6).view(-1, 3, 6))
        return out

    return run


def _made(name: str) -> list[Case]:
    make = MADE[name]
    lender = {"p:0": 7} if name.startswith("new_") else {}
    return [
        frame(f"{name}: its sizes alone", lambda p: make(p, 3, 5) + p.sum(), (7,), dims={"p:0": 7, "u:0": 3, "u:1": 5}),
        frame(f"{name}: square", lambda p, q: make(p, 4, 4) + q, (7,), (4,), dims={**lender, "q:0": 4, "u:0": 4}),
        Case(
            f"{name}: of the batch",
            lambda: {"a": nn.Linear(3, 6), "b": nn.Linear(6, 2)},
            _chain(make),
            [(2, 3)],
            {"a.weight:0": 6},
        ),
        Case(
            f"{name}: three for each of the batch",
            lambda: {"a": nn.Linear(5, 18), "b": nn.Linear(6, 2)},
            _by_threes(make),
            [(2, 5)],
            {"a.weight:0.1": 6},
            frozen={"a.weight:0.0": "its size comes from another tensor"},
        ),
    ]


CASES = [
    *(case for name in MADE for case in _made(name)),
    frame(
        "arange",
        lambda p: p + torch.arange(5),
        (3, 5),
        dims={"p:0": 3},
        frozen={"p:1": "arange (arange) numbers positions"},
    ),
    frame(
        "linspace",
        lambda p: p + torch.linspace(0, 1, 5),
        (3, 5),
        dims={"p:0": 3},
        frozen={"p:1": "linspace (linspace) numbers positions"},
    ),
    frame(
        "eye",
        lambda p: p + torch.eye(4, 4),
        (3, 4, 4),
        dims={"p:0": 3},
        frozen={"p:1": "eye (eye) numbers positions", "p:2": "eye (eye) numbers positions"},
    ),
    *(
        frame(
            name,
            lambda p, name=name: p + getattr(torch, name)(3, 3),
            (4, 2, 6),
            dims={"p:0": 4},
            frozen={"p:1": f"{name} ({name}) numbers positions", "p:2": f"{name} ({name}) numbers positions"},
        )
        for name in ("tril_indices", "triu_indices")
    ),
]
