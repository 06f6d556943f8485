"""Operators that pick positions of an axis, or move them about."""

from __future__ import annotations

import sys

from ..axes import Axis
from ..sizes import Size
from ._base import Axes, Call


def slice_(call: Call) -> list[Axes]:
    """Take a stretch of an axis, or every k-th position of it.

    A stretch cuts the axis at its ends. Every k-th position reads the axis as [n / k, k] and keeps n / k. Where
    neither lines up with the axis, the axis stays as it is.
    """
    dim = int(call.arguments["dim"]) % call.rank("self")
    axis, out = call.tensors["self"][dim], call.outputs[0][dim]
    axes = call.take_all("self", but=[dim])
    part = axis if call.algebra.size(axis) == out else _part(call, axis)
    if part is None:
        axes[dim] = call.fresh(out, f"{call.operator} ({call.node.name}) takes a part of an axis that stays whole")
        return [axes]
    call.take("self", dim)
    if part is axis and not out.symbols:
        _write_end(call, axis)
    axes[dim] = part
    return [axes]


def _part(call: Call, axis: Axis) -> Axis | None:
    """Return what is taken of an axis; None where no boundary can lie there."""
    size, step = call.algebra.size(axis), int(call.arguments["step"])
    if size.symbols:
        return None
    start, end = (_position(call.arguments[name], size.count, d) for name, d in (("start", 0), ("end", size.count)))
    return _stretch(call, axis, start, end) if step == 1 else _every(call, axis, start, end, step)


def _position(value: int | None, size: int, default: int) -> int:
    if value is None:
        return default
    return max(0, min(size, value + size if value < 0 else value))


def _stretch(call: Call, axis: Axis, start: int, end: int) -> Axis | None:
    """Cut an axis at the ends of a stretch, and write these anew."""
    first = call.algebra.cut(axis, start) if start else ((), axis)
    if first is None:
        return None
    before, rest = first
    second = call.algebra.cut(rest, end - start) if end < call.algebra.size(axis).count else (rest, ())
    if second is None:
        return None
    if start:
        call.literals["start"] = before
    _write_end(call, call.algebra.concat([before, second[0]]) if start else second[0])
    return second[0]


def _write_end(call: Call, axis: Axis) -> None:
    """Write the end of a stretch anew, unless it means "to the end"."""
    if isinstance(call.arguments["end"], int) and call.arguments["end"] != sys.maxsize:
        call.literals["end"] = axis


def _every(call: Call, axis: Axis, start: int, end: int, step: int) -> Axis | None:
    size = call.algebra.size(axis).count
    if size % step or start >= step or end <= size - step + start:
        return None
    outer = call.algebra.atom(size // step)
    inner = call.fresh(Size(step), f"{call.operator} ({call.node.name}) takes every {step}th position")
    call.tie(axis, outer + inner)
    _write_end(call, axis)
    return outer


def select(call: Call) -> list[Axes]:
    """Take one position of an axis, by its number; the others pass."""
    dim = int(call.arguments["dim"]) % call.rank("self")
    axes = call.take_all("self", but=[dim])
    return [[*axes[:dim], *axes[dim + 1 :]]]


def unbind(call: Call) -> list[Axes]:
    """Take each position of an axis by itself."""
    return [outputs for _ in call.outputs for outputs in select(call)]


def index(call: Call) -> list[Axes]:
    """Look positions of axes up by number; the tensors of numbers broadcast, and axes without one pass.

    Raises:
        ValueError: The numbers are true or false, so that the count depends on them.
    """
    entries = list(call.arguments["indices"])
    looked_up = [i for i, entry in enumerate(entries) if entry is not None]
    if not looked_up or len(call.listed("indices")) != len(looked_up) or _is_mask(entries[looked_up[0]]):
        raise ValueError("Positions are looked up by number.")
    axes = call.take_all("self", but=looked_up)
    found = call.broadcast([call.take_all(name) for name in call.listed("indices")])
    rest = [axis for i, axis in enumerate(axes) if i not in looked_up]
    together = looked_up == list(range(looked_up[0], looked_up[-1] + 1))
    at = looked_up[0] if together else 0
    return [[*rest[:at], *found, *rest[at:]]]


def _is_mask(entry: object) -> bool:
    value = getattr(entry, "meta", {}).get("val")
    return value is None or not (value.dtype.is_signed and not value.dtype.is_floating_point)


def index_select(call: Call) -> list[Axes]:
    """Look positions of one axis up by number."""
    dim = int(call.arguments["dim"]) % call.rank("self")
    axes = call.take_all("self", but=[dim])
    axes[dim] = call.take("index", 0)
    return [axes]


def moved(call: Call) -> list[Axes]:
    """Pass all axes but those along which positions move or add up; these stay as they are."""
    dims = call.arguments.get("dims", call.arguments.get("dim"))
    rank = call.rank("self")
    named = [dims] if isinstance(dims, int) else list(dims or range(rank))
    touched = {d % rank for d in named}
    axes = call.take_all("self", but=list(touched))
    for i in set(range(rank)) - touched:
        call.apart(axes[i], *(axes[j] for j in touched))
    return [axes for _ in call.outputs]


def triangle(call: Call) -> list[Axes]:
    """Keep one side of the diagonal of matrices (..., n, m), whose axes stay."""
    rank = call.rank("self")
    axes = call.take_all("self", but=[rank - 2, rank - 1])
    reason = f"{call.operator} ({call.node.name}) compares positions"
    return [[*axes[:-2], *(call.fresh(size, reason) for size in call.outputs[0][-2:])]]


def scattered(call: Call) -> list[Axes]:
    """Write a tensor over a stretch or one position of an axis; all other axes are tied."""
    axes, source = call.tensors["self"], call.tensors["src"]
    dim = int(call.arguments["dim"]) % len(axes)
    axes = call.take_all("self", but=[dim])
    inserted = len(source) < len(axes)
    taken = call.take_all("src", but=[] if inserted else [dim])
    if inserted:
        taken.insert(dim, axes[dim])
    return [[axis if i == dim else call.tie(axis, taken[i]) for i, axis in enumerate(axes)]]
