"""Operators on each element alone: representatives, and the ways in which they broadcast."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._base import Case, conv, frame

ODD = torch.arange(5) % 2 == 1


def _overwritten(p: Tensor) -> Tensor:
    """Make a tensor without values, and give it some."""
    return torch.full_like(torch.empty_like(p), 2.0)


CASES = [
    frame("add: a row", torch.add, (3, 5), (5,), dims={"p:0": 3, "p:1": 5}),
    frame("add: a column", torch.add, (3, 5), (3, 1), dims={"p:0": 3, "p:1": 5}),
    frame("add: both repeated", torch.add, (3, 1), (5,), dims={"p:0": 3, "q:0": 5}),
    frame("add: square", torch.add, (4, 4), (4, 4), dims={"p:0": 4, "p:1": 4}),
    frame("mul: a longer second", torch.mul, (7,), (3, 5, 7), dims={"p:0": 7, "q:0": 3, "q:1": 5}),
    frame("div: one number", torch.div, (3, 5), (1,), dims={"p:0": 3, "p:1": 5}),
    frame("sub: each with each", lambda p: p.view(3, 1, 4) - p.view(1, 3, 4), (12,), dims={"p:0.0": 3, "p:0.1": 4}),
    frame(
        "add: to its transpose",
        lambda p: p.view(3, 3, 4) + p.view(3, 3, 4).transpose(0, 1),
        (36,),
        dims={"p:0.0": 3, "p:0.2": 4},
    ),
    frame("relu", torch.relu, (3, 5), dims={"p:0": 3, "p:1": 5}),
    frame("clamp: tensors", lambda p, q: torch.clamp(p, max=q), (3, 5), (5,), dims={"p:0": 3, "p:1": 5}),
    frame("dropout", lambda p: F.dropout(p, training=False), (3, 5), dims={"p:0": 3, "p:1": 5}),
    frame("to", lambda p: p.to(torch.float64).to(torch.float32), (3, 5), dims={"p:0": 3, "p:1": 5}),
    frame(
        "where",
        lambda p, q, odd: torch.where(odd, p, q),
        (3, 5),
        (3, 1),
        buffers={"odd": ODD},
        dims={"p:0": 3, "p:1": 5},
    ),
    frame(
        "masked_fill", lambda p, odd: p.masked_fill(odd, 2.0), (3, 5), buffers={"odd": ODD}, dims={"p:0": 3, "p:1": 5}
    ),
    frame("lt", torch.lt, (3, 5), (3, 1), dims={"p:0": 3, "p:1": 5}),
    frame("lerp: three tensors", torch.lerp, (3, 1, 7), (5, 1), (5, 7), dims={"p:0": 3, "p:2": 7, "q:0": 5}),
    frame("addcmul: three tensors", torch.addcmul, (5,), (3, 1), (3, 5), dims={"p:0": 5, "q:0": 3}),
    frame("pow: numbers for tensors", lambda p: 2.0**p, (3, 5), dims={"p:0": 3, "p:1": 5}),
    Case(
        "add: two branches",
        lambda: {"a": conv(3, 6), "b": conv(3, 6), "c": conv(6, 2)},
        lambda n, x: n.c(torch.relu(n.a(x)) + torch.sigmoid(n.b(x))),
        [(2, 3, 4, 4)],
        {"a.weight:0": 6},
    ),
    frame("type_as", torch.Tensor.type_as, (3, 5), (7,), dims={"p:0": 3, "p:1": 5, "q:0": 7}),
    frame("type_as: square", torch.Tensor.type_as, (4, 4), (4,), dims={"p:0": 4, "p:1": 4, "q:0": 4}),
    frame("zeros_like", lambda p, q: torch.zeros_like(p) + q, (4, 4), (4,), dims={"p:0": 4, "p:1": 4}),
    frame("ones_like", torch.ones_like, (4, 4), dims={"p:0": 4, "p:1": 4}),
    frame("full_like", lambda p: torch.full_like(p, 2.0), (4, 4), dims={"p:0": 4, "p:1": 4}),
    frame("empty_like", _overwritten, (4, 4), dims={"p:0": 4, "p:1": 4}),
    frame(
        "prelu: a slope for each channel",
        lambda p, q: F.prelu(p - 1, q),
        (3, 6, 5),
        (6,),
        dims={"p:0": 3, "p:1": 6, "p:2": 5},
    ),
    frame("prelu: square", lambda p, q: F.prelu(p - 1, q), (4, 4, 4), (4,), dims={"p:0": 4, "p:1": 4, "p:2": 4}),
    frame("prelu: one slope", lambda p, q: F.prelu(p - 1, q), (3, 6), (1,), dims={"p:0": 3, "p:1": 6}),
    Case(
        "prelu: a chain",
        lambda: {"a": conv(3, 6), "b": nn.PReLU(6), "c": conv(6, 2)},
        lambda n, x: n.c(n.b(n.a(x))),
        [(2, 3, 4, 4)],
        {"a.weight:0": 6},
    ),
    frame("glu", lambda p: F.glu(p, 1), (3, 10, 7), dims={"p:0": 3, "p:1": 5, "p:2": 7}),
    frame("glu: the last axis", lambda p: F.glu(p), (5, 10), dims={"p:0": 5, "p:1": 5}),
    Case(
        "glu: a chain",
        lambda: {"a": conv(3, 10), "c": conv(5, 2)},
        lambda n, x: n.c(F.glu(n.a(x), 1)),
        [(2, 3, 4, 4)],
        {"a.weight:0": 5},
    ),
    frame(
        "prelu: four axes",
        lambda p, q: F.prelu(p - 1, q),
        (3, 6, 5, 2),
        (6,),
        dims={"p:0": 3, "p:1": 6, "p:2": 5, "p:3": 2},
    ),
    frame("glu: four axes", lambda p: F.glu(p, 1), (3, 10, 7, 2), dims={"p:0": 3, "p:1": 5, "p:2": 7, "p:3": 2}),
    *(
        frame(f"{name}: four axes", getattr(torch, name), (3, 5, 7, 2), dims={"p:0": 3, "p:1": 5, "p:2": 7, "p:3": 2})
        for name in ("relu", "sigmoid", "neg", "clone")
    ),
    *(
        frame(
            f"{name}: five axes",
            getattr(torch, name),
            (3, 5, 1, 2, 2),
            (3, 5, 7, 2, 2),
            dims={"p:0": 3, "p:1": 5, "p:3": 2, "p:4": 2, "q:2": 7},
        )
        for name in ("add", "sub", "mul", "div")
    ),
    frame(
        "bitwise_xor: masks",
        lambda p, q: ((p > 1) ^ (q > 1)) | ((p > 1) & ~(q > 1)),
        (3, 5),
        (5,),
        dims={"p:0": 3, "p:1": 5},
    ),
    frame(
        "bitwise_xor: square",
        lambda p, q: ((p * 4).int() ^ (q * 4).int()) + q,
        (4, 4),
        (4, 4),
        dims={"p:0": 4, "p:1": 4},
    ),
    *(
        frame(
            f"{name}: alone",
            lambda p, q, name=name: getattr(torch, name)((p * 4).int(), (q * 4).int()),
            (3, 5),
            (3, 1),
            dims={"p:0": 3, "p:1": 5},
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    *(
        frame(
            f"{name}: alone, square",
            lambda p, q, name=name: getattr(torch, name)((p * 4).int(), (q * 4).int()),
            (4, 4),
            (4, 4),
            dims={"p:0": 4, "p:1": 4},
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    frame("bitwise_not", lambda p: ~(p * 4).int(), (3, 5), dims={"p:0": 3, "p:1": 5}),
    frame("tanh", torch.tanh, (3, 5, 7, 2), dims={"p:0": 3, "p:1": 5, "p:2": 7, "p:3": 2}),
    frame("bitwise_left_shift", lambda p, q: (p * 4).int() << (q * 2).int(), (3, 5), (3, 1), dims={"p:0": 3, "p:1": 5}),
    frame("bitwise_right_shift", lambda p: (p * 9).int() >> 1, (3, 5), dims={"p:0": 3, "p:1": 5}),
]
