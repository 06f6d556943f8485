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

    # The kernel of the third axis has one position: there the axis passes.
    passing = ({"p:4": 4}, {"p:4": 3}, {"p:2": 3}) if count == 3 else ({}, {}, {})

    def case(use: str, number: int, x: int, y: Shape, bias: Sequence[Shape] = ((12,),), **expected: Any) -> Case:
        def run(*tensors: Tensor) -> Tensor:
            result: Tensor = convolve(*tensors, groups=number)
            return result

        expected["dims"] |= passing[2]
        return frame(f"{name}: {use}", run, (5, x, *narrow), (*y, *kernel[::-1]), *bias, **expected)

    return [
        frame(
            f"{name}: one group", convolve, (3, 6, *wide), (4, 6, *kernel), (4,),
            dims={"p:0": 3, "p:1": 6, "q:0": 4, **passing[0]}, frozen=_space(min(count, 2)),
        ),
        frame(
            f"{name}: square", convolve, (4, 4, *narrow), (4, 4, *kernel),
            dims={"p:0": 4, "p:1": 4, "q:0": 4, **passing[1]},
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


def _one_position(convolve: Callable[..., Tensor], count: int) -> list[Case]:
    """Look at one position of each axis of space: without a stride or padding the axes pass, else they do not."""
    name, one = f"conv{count}d", (1,) * count
    x, weight = (3, 6, *(5, 7, 2)[:count]), (4, 6, *one)
    dims, space = {"p:0": 3, "p:1": 6, "q:0": 4}, {f"p:{i + 2}": (5, 7, 2)[i] for i in range(count)}
    stays = {"p:2": "works along axis 2 of its input"}
    return [
        frame(f"{name}: one position", convolve, x, weight, dims=dims | space),
        frame(
            f"{name}: one position, kept by name",
            lambda p, q: convolve(p, q, padding="same"),
            x,
            weight,
            dims=dims | space,
        ),
        frame(
            f"{name}: one position, padded", lambda p, q: convolve(p, q, padding=1), x, weight, dims=dims, frozen=stays
        ),
        frame(
            f"{name}: one position, with a stride",
            lambda p, q: convolve(p, q, stride=2),
            x,
            weight,
            dims=dims,
            frozen=stays,
        ),
        frame(
            f"{name}: one position, square",
            convolve,
            (4,) * (count + 2),
            (4, 4, *one),
            dims={f"p:{i}": 4 for i in range(count + 2)} | {"q:0": 4},
        ),
    ]


def _one_space(convolve: Callable[..., Tensor], n: int, axis: int) -> Case:
    """Return a case whose axes of space have one position but for one, which each input may cut in its own way.

    Two of them could not be: each would stand outside the other, and no slice of the parameter says that.
    """
    space = [5 if i == axis else 1 for i in range(n)]
    return frame(
        f"conv{n}d: one position, meeting along axis {axis} of space",
        lambda p, q: convolve(p.view(3, 4, *space).transpose(0, 1), (q + q.t()).view(3, 3, *[1] * n)),
        (60,),
        (3, 3),
        dims={"p:0.0": 3, "p:0.1": 4, "p:0.2": (5, 4)},
    )


def _gated(network: Any, x: Tensor) -> Tensor:
    """Gate each channel by itself and its neighbours: a convolution along channels."""
    y = network.a(x)
    out: Tensor = network.b(y * network.along(y.mean((2, 3))[:, None]).sigmoid()[:, 0, :, None, None])
    return out


def _mixed(network: Any, x: Tensor) -> Tensor:
    """Mix tokens by convolutions whose axis of space is the channels."""
    y = network.a(x)
    out: Tensor = network.b(y + network.after(network.before(y).relu()))
    return out


CASES = [
    *(case for n in (1, 2, 3) for case in _one_position(getattr(F, f"conv{n}d"), n)),
    *(_one_space(getattr(F, f"conv{n}d"), n, axis) for n in (1, 2, 3) for axis in range(n)),
    Case(
        "conv1d: along channels",
        lambda: {"a": conv(3, 6), "along": nn.Conv1d(1, 1, 3, padding=1), "b": conv(6, 5), "c": conv(5, 2)},
        lambda n, x: n.c(_gated(n, x)),
        [(2, 3, 4, 4)],
        {"b.weight:0": 5},
        frozen={"a.weight:0": "conv1d (conv1d) works along axis 2 of its input"},
    ),
    Case(
        "conv1d: tokens",
        lambda: {"a": nn.Linear(3, 6), "before": nn.Conv1d(5, 7, 1), "after": nn.Conv1d(7, 5, 1), "b": nn.Linear(6, 2)},
        _mixed,
        [(2, 5, 3)],
        {"a.weight:0": 6, "before.weight:0": 7},
    ),
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
