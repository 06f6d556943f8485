"""Sampling at computed places: grids, look-ups of bags, and the reverse of pooling."""

from __future__ import annotations

from torch import fx

from ..sizes import Size
from ._base import SPATIAL, Axes, Call


def grid_sampler(call: Call) -> list[Axes]:
    """Sample x (n, c, ...) at the places of a grid (n, ..., 2 or 3): (n, c, ...) with the grid's space."""
    space = [call.take("grid", i) for i in range(1, call.rank("grid") - 1)]
    return [[call.tie(call.take("input", 0), call.take("grid", 0)), call.take("input", 1), *space]]


def affine_grid(call: Call) -> list[Axes]:
    """Make a grid (n, ..., 2 or 3) of n maps; of its sizes, n is written anew."""
    batch, (entry, *others) = call.take("theta", 0), call.arguments["size"]
    call.literals["size"] = [None if isinstance(entry, fx.Node) else batch, *(None for _ in others)]
    return [[batch, *(call.fresh(size, SPATIAL) for size in call.outputs[0][1:])]]


def unpool(call: Call) -> list[Axes]:
    """Put x (n, c, ...) back to where its elements were found; space becomes new axes."""
    count = int(next(c for c in call.operator if c in "123"))
    outer = [
        call.tie(call.take("self", i), call.take("indices", i)) for i in range(call.rank("self") - count)
    ]  # fmt: skip
    return [[*outer, *(call.fresh(size, SPATIAL) for size in call.outputs[0][-count:])]]


def embedding_bag(call: Call) -> list[Axes]:
    """Reduce rows of the weight (v, d), bag by bag: (bags, d). The rows are picked by number: v stays.

    Raises:
        ValueError: What it says of the bags is read, too.
    """
    items = [user.args[1] for user in call.node.users if len(user.args) == 2 and user.args[0] is call.node]
    if set(items) != {0}:
        raise ValueError("Only what is found is read.")
    bags = call.fresh(call.outputs[0][0], f"{call.operator} ({call.node.name}) counts bags")
    unread = [[call.algebra.atom(size) for size in shape] for shape in call.outputs[1:]]
    return [[bags, call.take("weight", 1)], *unread]


def fake_quantise(call: Call) -> list[Axes]:
    """Round to steps: of one width, or of a width for each position of one axis."""
    axes = call.take_all("self")
    dim = call.arguments.get("axis", call.arguments.get("ch_axis"))
    for name in ("scale", "zero_point"):
        if call.has(name) and call.algebra.size(call.tensors[name][0]) != Size(1) and dim is not None:
            call.tie(axes[int(dim) % len(axes)], call.take(name, 0))
    return [axes for _ in call.outputs]
