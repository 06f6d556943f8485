"""Convolutions in one, two and three dimensions: one group, several, depthwise, with a multiplier, transposed."""

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ._base import Case, conv, frame

Shape = tuple[int, ...]


def _space(count: int) -> dict[str, str]:
    before = {f"p:{i + 2}": f"works along axis {i + 2} of its input" for i in range(count)}
    return before | {f"u:{i + 2}": "a spatial axis" for i in range(count)}


def _plain(count: int) -> list[Case]:
    """Weights are (outputs, inputs of each group, ...)."""
    name, convolve = f"conv{count}d", getattr(F, f"conv{count}d")
    wide, kernel, narrow = (5, 7, 4)[:count], (2, 3, 1)[:count], (3, 3, 3)[:count]

    def case(use: str, number: int, x: int, y: Shape, bias: Sequence[Shape] = ((12,),), **expected: Any) -> Case:
        def run(*tensors: Tensor) -> Tensor:
            result: Tensor = convolve(*tensors, groups=number)
            return result

        return frame(f"{name}: {use}", run, (5, x, *narrow), (*y, *kernel[::-1]), *bias, **expected)

    return [
        frame(
            f"{name}: one group", convolve, (3, 6, *wide), (4, 6, *kernel), (4,),
            dims={"p:0": 3, "p:1": 6, "q:0": 4}, frozen=_space(count),
        ),
        frame(
            f"{name}: square", convolve, (4, 4, *narrow), (4, 4, *kernel), dims={"p:0": 4, "p:1": 4, "q:0": 4}
        ),
        case("groups", 3, 6, (12, 2), dims={"p:0": 5, "p:1.0": 3, "p:1.1": (2, 3), "q:0.1": (4, 3)}, groups=["p:1.0"]),
        case("depthwise", 12, 12, (12, 1), dims={"p:0": 5, "p:1": 12}),
        case("depth multiplier", 6, 6, (12, 1), dims={"p:0": 5, "p:1": 6, "q:0.1": (2, 6)}),
        case(
            "as many groups as outputs", 3, 12, (3, 4), [],
            dims={"p:0": 5, "p:1.0": 3, "p:1.1": (4, 3)}, groups=["p:1.0"],
        ),
        *_meeting(name, convolve, (1,) * count, lambda weight: weight, lambda weight: weight),
    ]  # fmt: skip


def _transposed(count: int) -> list[Case]:
    """Weights are (inputs, outputs of each group, ...)."""
    name, convolve = f"conv_transpose{count}d", getattr(F, f"conv_transpose{count}d")
    wide, kernel = (2, 4, 3)[:count], (2, 3, 1)[:count]

    def case(use: str, number: int, x: int, y: Shape, bias: Sequence[Shape] = ((12,),), **expected: Any) -> Case:
        def run(*tensors: Tensor) -> Tensor:
            result: Tensor = convolve(*tensors, groups=number)
            return result

        return frame(f"{name}: {use}", run, (5, x, *wide), (*y, *kernel[::-1]), *bias, **expected)

    return [
        frame(
            f"{name}: one group", convolve, (3, 6, *wide), (6, 4, *kernel), (4,),
            dims={"p:0": 3, "p:1": 6, "q:1": 4}, frozen=_space(count),
        ),
        frame(
            f"{name}: square", convolve, (4, 4, *wide), (4, 4, *kernel), dims={"p:0": 4, "p:1": 4, "q:1": 4}
        ),
        case("groups", 3, 6, (6, 4), dims={"p:0": 5, "p:1.0": 3, "p:1.1": (2, 3), "q:1": (4, 3)}, groups=["p:1.0"]),
        case("depthwise", 12, 12, (12, 1), dims={"p:0": 5, "p:1": 12}),
        case("depth multiplier", 6, 6, (6, 2), dims={"p:0": 5, "p:1": 6, "q:1": (2, 6)}),
        case(
            "as many groups as outputs", 3, 12, (12, 1), [],
            dims={"p:0": 5, "p:1.0": 3, "p:1.1": (4, 3)}, groups=["p:1.0"],
        ),
        *_meeting(name, convolve, (1,) * count, _swapped, _in_groups),
    ]  # fmt: skip


def _swapped(weight: Tensor) -> Tensor:
    return weight.transpose(0, 1)


def _in_groups(weight: Tensor) -> Tensor:
    """Write (2 x 3, 4, ...) as (2 x 4, 3, ...)."""
    rows: Tensor = weight.reshape(2, 3, *weight.shape[1:])
    return rows.transpose(1, 2).flatten(0, 1)


def _meeting(
    name: str, convolve: Callable[..., Tensor], one: Shape, write: Callable[[Tensor], Tensor],
    write_groups: Callable[[Tensor], Tensor],
) -> list[Case]:  # fmt: skip
    """Let the 4 stand inside the 3 in `p`, and the 3 lie where the operator sums: one set of the 4 has to do for all.

    Args:
        name: The operator's.
        convolve: The operator.
        one: A kernel of one position.
        write: Makes the operator's weight from one of (outputs, inputs, ...).
        write_groups: Makes the same with 2 groups.
    """

    def units(p: Tensor, q: Tensor) -> Tensor:
        y = convolve(p.reshape(3, 4, *one), write(q))
        return y + y.transpose(0, 1)

    def batch(p: Tensor, q: Tensor) -> Tensor:
        x = p.view(3, 4, *one).transpose(0, 1)
        return convolve(x, write(q)) + x

    def outputs(p: Tensor, q: Tensor) -> Tensor:
        return convolve(q + q.transpose(0, 1), write(p.view(3, 4, *one).transpose(0, 1)))

    def groups(p: Tensor, q: Tensor) -> Tensor:
        y = convolve(p.reshape(3, 8, *one), write_groups(q), groups=2).reshape(3, 2, 3)
        return y + y.transpose(0, 2)

    dims = {"p:0.0": 3, "p:0.1": 4}
    return [
        frame(f"{name}: units that meet", units, (12,), (3, 4, *one), dims=dims),
        frame(f"{name}: a batch that meets", batch, (12,), (3, 3, *one), dims=dims),
        frame(f"{name}: outputs that meet", outputs, (12,), (3, 3, *one), dims=dims),
        frame(
            f"{name}: units that meet in groups", groups, (24,), (6, 4, *one),
            dims={"p:0.0": 3, "p:0.1": 2, "p:0.2": (4, 2)}, groups=["p:0.1"],
        ),
    ]  # fmt: skip


CASES = [
    *(case for count in (1, 2, 3) for case in _plain(count)),
    *(case for count in (1, 2, 3) for case in _transposed(count)),
    Case(
        "conv2d: a chain",
        lambda: {"a": conv(3, 6), "b": nn.Conv2d(6, 10, 3, groups=2), "c": conv(10, 2)},
        lambda n, x: n.c(n.b(n.a(x))),
        [(2, 3, 4, 4)],
        {"a.weight:0.0": 2, "a.weight:0.1": (3, 2), "b.weight:0.1": (5, 2)},
        frozen={"a.weight:1": "an axis of an input", "c.weight:0": "an axis of an output"},
        groups=["a.weight:0.0"],
    ),
]
