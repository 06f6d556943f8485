"""Concatenation and its reverse, and padding."""

from __future__ import annotations

from ..axes import Axis
from ._base import SPATIAL, Axes, Call


def cat(call: Call) -> list[Axes]:
    """Lay one axis of each tensor behind the other; the other axes are tied."""
    tensors = [call.take_all(name) for name in call.listed("tensors")]
    dim = int(call.arguments["dim"]) % len(tensors[0])
    if len(tensors) != len(call.arguments["tensors"]) or any(_unknown(call, axes[dim]) for axes in tensors):
        raise ValueError("Tensors of known sizes are laid behind each other.")
    axes = [call.tie(*(t[i] for t in tensors)) if i != dim else () for i in range(len(tensors[0]))]
    axes[dim] = call.algebra.concat([t[dim] for t in tensors])
    return [axes]


def stack(call: Call) -> list[Axes]:
    """Tie all axes of the tensors; the new axis counts the tensors."""
    tensors = [call.take_all(name) for name in call.listed("tensors")]
    axes = [call.tie(*same) for same in zip(*tensors, strict=True)]
    dim = int(call.arguments["dim"]) % (len(axes) + 1)
    axes.insert(dim, call.fresh(call.outputs[0][dim], f"{call.operator} ({call.node.name}) counts tensors"))
    return [axes]


def meshgrid(call: Call) -> list[Axes]:
    """Repeat each of n tensors along the axes of all others: n tensors of n axes."""
    axes: Axes = [axis for name in call.listed("tensors") for axis in call.take_all(name) or [()]]
    if call.arguments.get("indexing") == "xy":
        axes[:2] = reversed(axes[:2])
    return [axes for _ in call.outputs]


def split(call: Call) -> list[Axes]:
    """Cut an axis at the given sizes, which are literals and are written anew.

    Raises:
        ValueError: No boundary can lie there.
    """
    axes, rest = call.take_all("self"), call.tensors["self"]
    dim = int(call.arguments["dim"]) % len(axes)
    parts, rest_axis = list[Axis](), rest[dim]
    for size in call.arguments["split_sizes"][:-1]:
        both = call.algebra.cut(rest_axis, int(size))
        if both is None:
            raise ValueError("A boundary lies between two units.")
        parts.append(both[0])
        rest_axis = both[1]
    parts.append(rest_axis)
    call.literals["split_sizes"] = list(parts)
    return [[*axes[:dim], part, *axes[dim + 1 :]] for part in parts]


def pad(call: Call) -> list[Axes]:
    """Lay constant positions before and behind axes; what is padded by its own values cannot be cut.

    Raises:
        ValueError: The padding takes positions away.
    """
    name = next(iter(call.tensors))
    rank, amounts = call.rank(name), [int(v) for v in call.arguments["pad"]]
    if any(amount < 0 for amount in amounts):
        raise ValueError("Padding adds positions.")
    sides = {rank - 1 - i: (amounts[2 * i], amounts[2 * i + 1]) for i in range(len(amounts) // 2)}
    constant = call.arguments.get("mode", "constant") == "constant"
    axes: Axes = []
    for i in range(rank):
        before, behind = sides.get(i, (0, 0))
        axis = call.tensors[name][i]
        if before == behind == 0:
            axes.append(call.take(name, i))
        elif constant and call.algebra.is_free(axis) and not _unknown(call, axis):
            ends = [call.algebra.atom(n, frozen="padding") for n in (before, behind)]
            pieces = [ends[0]] * (before > 0) + [call.take(name, i)] + [ends[1]] * (behind > 0)
            axes.append(call.algebra.concat(pieces))
        else:
            axes.append(call.fresh(call.outputs[0][i], SPATIAL))
    return [axes]


def _unknown(call: Call, axis: Axis) -> bool:
    return bool(call.algebra.size(axis).symbols)
