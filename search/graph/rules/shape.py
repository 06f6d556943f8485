"""Operators that only rearrange axes: the product of the axes stays."""

from __future__ import annotations

from torch import fx

from ..axes import Axis
from ._base import Axes, Call


def flatten(call: Call) -> list[Axes]:
    """Read x's axes `start_dim` to `end_dim` as one; no literal depends on a width."""
    return [_regroup(call)]


def reshape(call: Call) -> list[Axes]:
    """Read x's axes in the output's sizes, which are literals of the call and are written anew from the axes."""
    axes = _regroup(call)
    call.literals["shape" if "shape" in call.arguments else "size"] = list(axes)
    return [axes]


def reshape_as(call: Call) -> list[Axes]:
    """Read x's axes in the sizes of another tensor, which has to stay as wide."""
    axes = _regroup(call)
    return [[call.tie(axis, other) for axis, other in zip(axes, call.take_all("other"), strict=True)]]


def _regroup(call: Call) -> Axes:
    source = call.take_all("self")
    reason = f"{call.operator} ({call.node.name}) regroups across what cannot be split"
    return call.algebra.regroup(source, call.outputs[0], reason)


def permute(call: Call) -> list[Axes]:
    """Reorder the axes as `dims` says."""
    axes = call.take_all("self")
    return [[axes[d] for d in call.arguments["dims"]]]


def transpose(call: Call) -> list[Axes]:
    """Swap two axes: those named, or the two of a matrix."""
    axes = call.take_all("self")
    names = ("dim0", "dim1") if "dim0" in call.arguments else ("axis0", "axis1")
    a, b = (int(call.arguments.get(name, d)) % len(axes) for name, d in zip(names, (-2, -1), strict=True))
    axes[a], axes[b] = axes[b], axes[a]
    return [axes]


def move(call: Call) -> list[Axes]:
    """Move axes to other places; the rest keep their order."""
    axes = call.take_all("self")
    pairs = [_listed(call.arguments[name]) for name in ("source", "destination")]
    sources, goals = ([d % len(axes) for d in dims] for dims in pairs)
    rest = [axis for i, axis in enumerate(axes) if i not in sources]
    for goal, source in sorted(zip(goals, sources, strict=True)):
        rest.insert(goal, axes[source])
    return [rest]


def squeeze(call: Call) -> list[Axes]:
    """Drop the named axes, which have size 1."""
    axes = call.take_all("self")
    dropped = {d % len(axes) for d in _listed(call.arguments["dim"])}
    if any(call.algebra.resolve(axes[i]) for i in dropped):
        raise ValueError("Only axes of size 1 are dropped.")
    return [[axis for i, axis in enumerate(axes) if i not in dropped]]


def unsqueeze(call: Call) -> list[Axes]:
    """Put an axis of size 1 in."""
    axes = call.take_all("self")
    axes.insert(int(call.arguments["dim"]) % (len(axes) + 1), ())
    return [axes]


def expand(call: Call) -> list[Axes]:
    """Repeat axes of size 1; their sizes are literals, and those that pass are written anew."""
    axes, entries = call.take_all("self"), list(call.arguments["size"])
    axes = [()] * (len(entries) - len(axes)) + axes
    out, literals = list[Axis](), list[Axis | None]()
    for axis, entry, size in zip(axes, entries, call.outputs[0], strict=True):
        repeated = axis if call.algebra.resolve(axis) else call.algebra.atom(size)
        if isinstance(entry, fx.Node):
            call.algebra.freeze(repeated, f"{call.operator} ({call.node.name}) takes its size from another tensor")
        out.append(repeated)
        literals.append(None if isinstance(entry, fx.Node) or entry == -1 else repeated)
    call.literals["size"] = literals
    return [out]


def expand_as(call: Call) -> list[Axes]:
    """Repeat axes of size 1 to the sizes of another tensor."""
    return [call.broadcast([call.take_all("self"), call.take_all("other")])]


def repeat(call: Call) -> list[Axes]:
    """Lay whole copies of axes one behind the other: an axis of n copies is [n, axis]."""
    name = "repeats" if "repeats" in call.arguments else "dims"
    axes, given = call.take_all("self"), list(call.arguments[name])
    entries = [1] * (len(axes) - len(given)) + given
    axes = [()] * (len(entries) - len(axes)) + axes
    out, literals = list[Axis](), list[Axis | None]()
    for axis, entry, size in zip(axes, entries, call.outputs[0], strict=True):
        copies = size.over(call.algebra.size(axis))
        if copies is None:
            raise ValueError("A repeated axis is a multiple of the axis.")
        count = call.algebra.atom(copies, frozen="it repeats the batch" if copies.symbols else None)
        out.append(count + axis)
        literals.append(None if isinstance(entry, fx.Node) or entry == 1 else count)
    call.literals[name] = literals[len(literals) - len(given) :]
    return [out]


def repeat_interleave(call: Call) -> list[Axes]:
    """Repeat each element of an axis: n times is [axis, n]."""
    axes, dim = call.take_all("self"), call.arguments["dim"]
    if not isinstance(dim, int) or not isinstance(call.arguments["repeats"], int):
        raise ValueError("Each element is repeated equally often, along one axis.")
    count = call.algebra.atom(int(call.arguments["repeats"]))
    axes[dim] = axes[dim] + count
    call.literals["repeats"] = count
    return [axes]


def _listed(value: int | list[int]) -> list[int]:
    return [value] if isinstance(value, int) else list(value)
