"""Products that sum over axes, in the spellings of linear algebra; each is one of Einstein's notation."""

from __future__ import annotations

from collections.abc import Sequence

from ..axes import Axis
from ._base import Axes, Call

Lettered = dict[str, Axis]
"""Letter -> axis of one operand."""


def contracted(call: Call, operands: Sequence[Lettered], named: Sequence[str]) -> Axes:
    """Tie the axes that share a letter, sum those that are not named, and return the ones that are."""
    meaning: Lettered = {}
    for axes in operands:
        for letter, axis in axes.items():
            known = meaning.get(letter, ())
            meaning[letter] = call.tie(known, axis) if known and call.algebra.resolve(axis) else known or axis
    for letter, axis in meaning.items():
        beside = set.intersection(*(set(axes) for axes in operands if letter in axes))
        if letter in named:
            beside &= set(named)
        else:
            call.sums(axis)
        # At each position of what all operands have beside it, the letter meets itself at that position only.
        call.apart(axis, *(other for name, other in meaning.items() if name not in beside))
    return [meaning[letter] for letter in named]


def tensordot(call: Call) -> list[Axes]:
    """Contract the named axes of x with those of y; what is left of x comes first."""
    x, y = (call.take_all(name) for name in ("self", "other"))
    left = [f"x{i}" for i in range(len(x))]
    right = [f"y{i}" for i in range(len(y))]
    for i, j in zip(call.arguments["dims_self"], call.arguments["dims_other"], strict=True):
        right[j % len(y)] = left[i % len(x)]
    named = [letter for letter in [*left, *right] if (letter in left) != (letter in right)]
    return [contracted(call, [_named(left, x), _named(right, y)], named)]


def inner(call: Call) -> list[Axes]:
    """Contract the last axes of x and y; what is left of x comes first."""
    x, y = (call.take_all(name) for name in ("self", "other"))
    left, right = [f"x{i}" for i in range(len(x) - 1)], [f"y{i}" for i in range(len(y) - 1)]
    return [contracted(call, [_named([*left, "k"], x), _named([*right, "k"], y)], [*left, *right])]


def outer(call: Call) -> list[Axes]:
    """Multiply each element of x (n,) with each of y (m,): (n, m); a third tensor is added."""
    x, y = (call.take_all(name) for name in list(call.tensors)[-2:])
    product = [x[0], y[0]]
    return [call.broadcast([product, call.take_all("self")]) if call.has("vec1") else product]


def bilinear(call: Call) -> list[Axes]:
    """Contract x (..., i), the weight (o, i, j) and y (..., j): (..., o)."""
    x, y, weight = (call.take_all(name) for name in ("input1", "input2", "weight"))
    outside = [f"x{i}" for i in range(len(x) - 1)]
    operands = [_named([*outside, "i"], x), _named([*outside, "j"], y), _named(["o", "i", "j"], weight)]
    axes = contracted(call, operands, [*outside, "o"])
    if call.has("bias"):
        call.tie(weight[0], call.take("bias", 0))
    return [axes]


def summed_products(call: Call) -> list[Axes]:
    """Add the products of x (b, n, k) and y (b, k, m) up over b, and a tensor that broadcasts to (n, m)."""
    x, y = (_named(letters, call.take_all(name)) for letters, name in (("bnk", "batch1"), ("bkm", "batch2")))
    return [call.broadcast([contracted(call, [x, y], ["n", "m"]), call.take_all("self")])]


def distances(call: Call) -> list[Axes]:
    """Measure from each of x (..., n, k) to each of y (..., m, k), over k: (..., n, m); two zeros are no distance."""
    x, y = (call.take_all(name) for name in ("x1", "x2"))
    left, right = _behind(x, ["n", "k"]), _behind(y, ["m", "k"])
    outside = max(list(left)[:-2], list(right)[:-2], key=len)
    return [contracted(call, [left, right], [*outside, "n", "m"])]


def similarity(call: Call) -> list[Axes]:
    """Reduce one axis of two tensors that broadcast: what is zero in both adds nothing to products and lengths."""
    both = [call.take_all(name) for name in list(call.tensors)[:2]]
    axes = call.broadcast(both)
    dim = int(call.arguments["dim"]) % len(axes)
    lengths = {call.algebra.size(each[dim - len(axes)]) for each in both if len(each) >= len(axes) - dim}
    if len(lengths) == 1:
        call.sums(axes[dim])
    else:
        # What is repeated along the axis is as long as that has positions.
        call.blends(axes[dim])
    return [[*axes[:dim], *axes[dim + 1 :]]]


def pair_distance(call: Call) -> list[Axes]:
    """Measure between two tensors along the last axis; a small number is added to each difference."""
    *axes, last = call.broadcast([call.take_all("x1"), call.take_all("x2")])
    call.blends(last)
    return [[*axes, ()] if call.arguments["keepdim"] else axes]


def _named(letters: Sequence[str], axes: Axes) -> Lettered:
    return dict(zip(letters, axes, strict=True))


def _behind(axes: Axes, last: list[str]) -> Lettered:
    """Name the last axes, and those before them by their place counted from the last."""
    before = len(axes) - len(last)
    return _named([*(f"...{before - i}" for i in range(before)), *last], axes)
