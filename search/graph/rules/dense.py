"""Matrix products: with a weight, between activations, and in Einstein's notation."""

from __future__ import annotations

from ..axes import Axis
from ._base import Axes, Call
from .contraction import contracted


def linear(call: Call) -> list[Axes]:
    """Contract the last axis of x (..., i) with axis 1 of the weight (o, i); the output is (..., o)."""
    *outer, last = call.take_all("input")
    out, inner = call.take("weight", 0), call.take("weight", 1)
    call.tie(last, inner)
    call.contracts(last, out, *outer)
    if call.has("bias"):
        call.tie(out, call.take("bias", 0))
    return [[*outer, out]]


def matmul(call: Call) -> list[Axes]:
    """Contract x (..., n, k) with y (..., k, m): (..., n, m); leading axes broadcast; a vector has no n or m."""
    first, second = list(call.tensors)[:2]
    return [_product(call, call.take_all(first), call.take_all(second))]


def added_product(call: Call) -> list[Axes]:
    """Add a tensor to the product of two matrices (or batches of them), broadcasting it."""
    first, second = [name for name in call.tensors if name not in ("self", "input")]
    product = _product(call, call.take_all(first), call.take_all(second))
    added = call.take_all(next(name for name in call.tensors if name in ("self", "input")))
    return [call.broadcast([product, added])]


def _product(call: Call, x: Axes, y: Axes) -> Axes:
    rows, columns = x[-2:-1], y[-1:] if len(y) > 1 else []
    last, inner = x[-1], y[-2] if len(y) > 1 else y[0]
    call.tie(last, inner)
    if rows and columns:
        call.contracts(last, *rows, *columns)
    else:
        call.sums(last)
    outer = call.broadcast([x[:-2], y[:-2]]) if x[:-2] or y[:-2] else []
    return [*outer, *rows, *columns]


def einsum(call: Call) -> list[Axes]:
    """Tie the axes that share a letter; those that the output does not name are summed.

    Raises:
        ValueError: An operand repeats a letter (a diagonal).
    """
    equation = str(call.arguments["equation"]).replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    operands = [_lettered(term, call.take_all(name)) for term, name in zip(terms, call.listed("tensors"), strict=True)]
    meaning = {letter: axis for axes in operands for letter, axis in axes.items()}
    named = _letters(right, meaning) if arrow else _implied(terms, meaning)
    return [contracted(call, operands, named)]


def chain(call: Call) -> list[Axes]:
    """Multiply matrices one after the other; the first and the last may be vectors."""
    first, *others = (
        call.take_all(name) for name in call.listed("tensors" if "tensors" in call.arguments else "matrices")
    )
    for other in others:
        first = _product(call, first, other)
    return [first]


def _lettered(term: str, axes: Axes) -> dict[str, Axis]:
    """Name the axes of one operand; those under an ellipsis are "...k", counted from the last."""
    before, dots, after = term.partition("...")
    hidden = len(axes) - len(before) - len(after)
    if (hidden and not dots) or len(set(before + after)) != len(before + after):
        raise ValueError(f"Each axis of an operand has a letter of its own, but got {term!r}.")
    names = [*before, *(f"...{k}" for k in range(hidden, 0, -1)), *after]
    return dict(zip(names, axes, strict=True))


def _letters(term: str, meaning: dict[str, Axis]) -> list[str]:
    before, dots, after = term.partition("...")
    hidden = sorted((name for name in meaning if name.startswith("...")), key=lambda n: -int(n[3:])) if dots else []
    return [*before, *hidden, *after]


def _implied(terms: list[str], meaning: dict[str, Axis]) -> list[str]:
    """Return the output's letters where the equation has no arrow: those that stand once, in alphabetical order."""
    text = "".join(terms).replace(".", "")
    hidden = sorted((name for name in meaning if name.startswith("...")), key=lambda n: -int(n[3:]))
    return [*hidden, *sorted(letter for letter in set(text) if text.count(letter) == 1)]


def embedding(call: Call) -> list[Axes]:
    """Look rows of the weight (v, d) up: indices (...) become (..., d). The rows are picked by number: v stays."""
    return [[*call.take_all("indices"), call.take("weight", 1)]]
