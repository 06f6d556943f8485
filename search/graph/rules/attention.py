"""Scaled dot-product attention."""

from __future__ import annotations

from ..axes import Axis
from ._base import Axes, Call


def attention(call: Call) -> list[Axes]:
    """Contract q (..., h, n, d) with k (..., h, m, d) and the weights with v (..., h, m, e): (..., h, n, e).

    The mask (..., h, n, m) broadcasts. With grouped queries, h of q is [kv, repeats] and k and v have kv.
    """
    q, k, v = (call.take_all(name) for name in ("query", "key", "value"))
    call.tie(q[-1], k[-1])
    call.tie(k[-2], v[-2])
    call.sums(q[-1])
    call.blends(k[-2])
    outer = call.broadcast([_repeated(call, q, k), q[:-2], _repeated(call, q, v)])
    if call.has("attn_mask"):
        mask = call.take_all("attn_mask")
        *outer, _, _ = call.broadcast([[*outer, q[-2], k[-2]], mask])
    inner = [q[-2], k[-2], q[-1], v[-1]]
    for axis in outer:
        call.apart(axis, *inner)
    for i, axis in enumerate(inner):
        call.apart(axis, *inner[:i], *inner[i + 1 :])
    return [[*outer, q[-2], v[-1]]]


def _repeated(call: Call, q: Axes, other: Axes) -> Axes:
    """Return the outer axes of k or v, their heads repeated as often as q's ask for."""
    outer: list[Axis] = list(other[:-2])
    if call.arguments.get("enable_gqa"):
        each = call.algebra.size(q[-3]).over(call.algebra.size(other[-3]))
        if each is None:
            raise ValueError("The heads of grouped queries are a multiple of the keys'.")
        outer[-1] = outer[-1] + call.algebra.atom(each)
    return outer
