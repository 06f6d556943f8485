"""Operators that compare the positions of an axis: extremes and medians, sorting, looking up."""

from __future__ import annotations

from ._base import Axes, Call


def extreme(call: Call) -> list[Axes]:
    """Reduce an axis, or all, to one element; beside it may come its position, which means something only if it stays.

    A maximum of two tensors is one of each element.
    """
    if call.has("other"):
        return [call.broadcast([call.take_all("self"), call.take_all("other")])]
    reduced = _reduced(call)
    if not _positions_are_read(call):
        call.blends(*(call.take("self", i) for i in reduced))
    return _without(call, reduced)


def position(call: Call) -> list[Axes]:
    """Find at which position of an axis something is: the axis stays, all others pass."""
    return _without(call, _reduced(call))


def ordered(call: Call) -> list[Axes]:
    """Put the positions of an axis in order, or take some of them; all other axes pass."""
    dim = _dim(call)
    axes = call.take_all("self", but=[dim])
    axes[dim] = call.fresh(call.outputs[0][dim], f"{call.operator} ({call.node.name}) compares positions")
    return [axes for _ in call.outputs]


def gather(call: Call) -> list[Axes]:
    """Look positions of an axis up, others at each place; the other axes lie beside those of the numbers."""
    name = "index" if call.has("index") else "indices"
    dim, numbers = _dim(call), call.tensors[name]
    axes: Axes = []
    for i, axis in enumerate(call.tensors["self"]):
        if i == dim:
            axes.append(call.take(name, i))
        elif call.algebra.size(axis) == call.algebra.size(numbers[i]):
            axes.append(call.tie(call.take("self", i), call.take(name, i)))
        elif name == "indices" and (not call.algebra.resolve(axis) or not call.algebra.resolve(numbers[i])):
            axes.extend(call.broadcast([[call.take("self", i)], [call.take(name, i)]]))
        else:
            axes.append(numbers[i])
    for i, axis in enumerate(axes):
        if i != dim:
            call.apart(axis, call.tensors["self"][dim])
    return [axes]


def _dim(call: Call) -> int:
    return int(call.arguments.get("dim", 0)) % call.rank("self")


def _reduced(call: Call) -> list[int]:
    dim, rank = call.arguments.get("dim"), call.rank("self")
    return list(range(rank)) if dim is None else [int(dim) % rank]


def _without(call: Call, reduced: list[int]) -> list[Axes]:
    axes = call.take_all("self", but=reduced)
    keepdim = bool(call.arguments.get("keepdim"))
    kept: Axes = [() if i in reduced else axis for i, axis in enumerate(axes) if keepdim or i not in reduced]
    return [kept for _ in call.outputs]


def _positions_are_read(call: Call) -> bool:
    """Tell whether anything reads the second result of a call; `aminmax` has two that are values."""
    items = (user for user in call.node.users if len(user.args) == 2 and user.args[0] is call.node)
    return call.operator != "aminmax" and len(call.outputs) > 1 and any(user.args[1] == 1 for user in items)
