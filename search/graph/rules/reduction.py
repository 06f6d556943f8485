"""Sums, means, norms and softmax over axes.

What is reduced may be cut: the result is that of the natively narrower network, which sums or averages over the units
that it has. Whether that equals a silenced network is another question, and said by `sums` and `blends`.
"""

from __future__ import annotations

from ..axes import Axis
from ._base import Axes, Call


def total(call: Call) -> list[Axes]:
    """Reduce axes by a sum or a norm, to which a zero adds nothing; a norm of negative order is none of these."""
    kept, reduced = _reduced(call)
    order = call.arguments.get("ord", call.arguments.get("p"))
    if order is not None and order < 0:
        call.blends(*reduced)
    else:
        call.sums(*reduced)
    return [kept for _ in call.outputs]


def statistic(call: Call) -> list[Axes]:
    """Reduce axes by a mean, an extreme or a variance."""
    kept, reduced = _reduced(call)
    call.blends(*reduced)
    return [kept for _ in call.outputs]


def _reduced(call: Call) -> tuple[Axes, list[Axis]]:
    axes = call.take_all("self")
    dims = call.arguments.get("dim")
    listed = [dims] if isinstance(dims, int) else dims
    reduced = {d % len(axes) for d in listed} if listed else set(range(len(axes)))
    keepdim = bool(call.arguments.get("keepdim"))
    kept: Axes = [() if i in reduced else axis for i, axis in enumerate(axes) if keepdim or i not in reduced]
    return kept, [axes[i] for i in sorted(reduced)]


def softmax(call: Call) -> list[Axes]:
    """Pass all axes; the units of one share what they sum to."""
    axes = call.take_all("self")
    call.mixes(axes, [int(call.arguments["dim"]) % len(axes)])
    return [axes]
