"""Concatenation, stacking, splitting, padding."""

import torch
import torch.nn.functional as F
from torch import nn

from ._base import Case, conv, frame

CASES = [
    *(
        frame(
            f"{name}: two",
            lambda p, q, name=name: getattr(torch, name)([p, q], 1),
            (3, 5),
            (3, 4),
            dims={"p:0": 3, "p:1": 5, "q:1": 4},
        )
        for name in ("cat", "concat", "concatenate")
    ),
    *(
        frame(
            f"{name}: the first axis of squares",
            lambda p, q, name=name: getattr(torch, name)([p, q], -2),
            (4, 8),
            (4, 8),
            dims={"p:0": 4, "p:1": 8, "q:0": 4},
        )
        for name in ("cat", "concat", "concatenate")
    ),
    frame("cat: one twice", lambda p: torch.cat([p, p], 1), (3, 5), dims={"p:0": 3, "p:1": 5}),
    Case(
        "cat: two branches",
        lambda: {"a": conv(3, 5), "b": conv(3, 4), "n": nn.BatchNorm2d(9), "c": conv(9, 2)},
        lambda n, x: n.c(n.n(torch.cat([n.a(x), n.b(x)], 1))),
        [(2, 3, 4, 4)],
        {"a.weight:0": 5, "b.weight:0": 4},
    ),
    frame("meshgrid: ij", lambda p, q: torch.meshgrid(p, q, indexing="ij"), (3,), (5,), dims={"p:0": 3, "q:0": 5}),
    frame(
        "meshgrid: xy, three",
        lambda p, q, r: torch.meshgrid(p, q, r, indexing="xy"),
        (4,),
        (4,),
        (2,),
        dims={"p:0": 4, "q:0": 4, "r:0": 2},
    ),
    frame(
        "meshgrid: a number",
        lambda p, q: torch.meshgrid(p, q.sum(), indexing="ij"),
        (3,),
        (5,),
        dims={"p:0": 3, "q:0": 5},
    ),
    frame(
        "stack",
        lambda p, q: torch.stack([p, q], 1),
        (3, 5),
        (3, 5),
        dims={"p:0": 3, "p:1": 5},
        frozen={"u:1": "stack (stack) counts tensors"},
    ),
    frame("stack: square", lambda p, q: torch.stack([p, q], -1), (4, 4), (4, 4), dims={"p:0": 4, "p:1": 4}),
    frame("split_with_sizes: two", lambda p: p.split([4, 5], 1), (3, 9), dims={"p:0": 3, "p:1.0": 4, "p:1.1": 5}),
    frame(
        "split_with_sizes: chunks of unequal sizes",
        lambda p: p.chunk(4, 1),
        (3, 10),
        dims={"p:0": 3, "p:1.0": 3, "p:1.1": 3, "p:1.2": 3},
    ),
    frame("split_with_sizes: square", lambda p: p.split(4, -1), (4, 8), dims={"p:0": 4, "p:1.0": 4, "p:1.1": 4}),
    Case(
        "split_with_sizes: added up",
        lambda: {"a": conv(3, 10), "c": conv(5, 2)},
        lambda n, x: n.c(sum(n.a(x).chunk(2, 1))),
        [(2, 3, 4, 4)],
        {"a.weight:0": 5},
    ),
    Case(
        "split_with_sizes: half goes on alone",
        lambda: {"a": conv(3, 10), "b": conv(4, 7), "c": conv(13, 2)},
        lambda n, x: (lambda one, two: n.c(torch.cat([one, n.b(two)], 1)))(*n.a(x).split([6, 4], 1)),
        [(2, 3, 4, 4)],
        {"a.weight:0.0": 6, "a.weight:0.1": 4, "b.weight:0": 7},
    ),
    frame("pad: zeros", lambda p: F.pad(p, (1, 2)), (3, 5), dims={"p:0": 3, "p:1": 5}, frozen={"u:1.1": "padding"}),
    frame(
        "pad: two axes, numbers",
        lambda p: F.pad(p, (0, 2, 3, 0), value=2.0),
        (4, 5, 4),
        dims={"p:0": 4, "p:1": 5, "p:2": 4},
        frozen={"u:1.0": "padding", "u:2.1": "padding"},
    ),
    frame(
        "pad: reflection",
        lambda p: F.pad(p, (1, 2), mode="reflect"),
        (4, 4, 5),
        dims={"p:0": 4, "p:1": 4},
        frozen={"p:2": "pad (pad) works along axis 2", "u:2": "a spatial axis"},
    ),
    frame(
        "pad: taken away",
        lambda p, q: (F.pad(p, (-1, 0)), q),
        (3, 5),
        (7,),
        dims={"q:0": 7},
        frozen={"p:1": "pad (pad) has no rule"},
        unknown=["pad"],
    ),
    Case(
        "pad: channels and space",
        lambda: {"a": conv(3, 5), "b": nn.Conv2d(8, 2, 3)},
        lambda n, x: n.b(F.pad(n.a(x), (1, 1, 1, 1, 1, 2))),
        [(2, 3, 4, 4)],
        {"a.weight:0": 5},
    ),
    frame(
        "constant_pad_nd",
        lambda p: torch.constant_pad_nd(p, (1, 2)),
        (3, 5),
        dims={"p:0": 3, "p:1": 5},
        frozen={"u:1.1": "padding"},
    ),
    frame(
        "constant_pad_nd: square", lambda p: torch.constant_pad_nd(p, (0, 0, 1, 1)), (4, 4), dims={"p:0": 4, "p:1": 4}
    ),
    frame(
        "cat: four axes",
        lambda p, q: torch.cat([p, q], 0),
        (3, 5, 7, 2),
        (4, 5, 7, 2),
        dims={"p:0": 3, "p:1": 5, "p:2": 7, "p:3": 2, "q:0": 4},
    ),
    frame(
        "stack: four axes",
        lambda p, q: torch.stack([p, q], 1),
        (3, 5, 7, 2),
        (3, 5, 7, 2),
        dims={"p:0": 3, "p:1": 5, "p:2": 7, "p:3": 2},
    ),
    frame(
        "split_with_sizes: four axes",
        lambda p: p.split([4, 5], 1),
        (3, 9, 7, 2),
        dims={"p:0": 3, "p:1.0": 4, "p:1.1": 5, "p:2": 7, "p:3": 2},
    ),
    frame(
        "pad: reflection of two axes",
        lambda p: F.pad(p, (1, 2, 1, 1), mode="reflect"),
        (3, 2, 4, 5),
        dims={"p:0": 3, "p:1": 2},
        frozen={"p:2": "axis 2", "p:3": "axis 3", "u:2": "a spatial axis", "u:3": "a spatial axis"},
    ),
    frame(
        "pad: three axes",
        lambda p: F.pad(p, (2, 3, 0, 2, 3, 2)),
        (3, 2, 4, 5),
        dims={"p:0": 3, "p:1": 2, "p:2": 4, "p:3": 5},
        frozen={"u:1.0": "padding", "u:1.2": "padding", "u:2.1": "padding", "u:3.0": "padding", "u:3.2": "padding"},
    ),
    frame(
        "pad: what is frozen already",
        lambda p: F.pad(p.flip(1, 2), (1, 2, 2, 1)),
        (3, 2, 5),
        dims={"p:0": 3},
        frozen={"u:1": "a spatial axis", "u:2": "a spatial axis"},
    ),
    frame(
        "constant_pad_nd: both ends",
        lambda p: torch.constant_pad_nd(p, (2, 3)),
        (3, 5),
        dims={"p:0": 3, "p:1": 5},
        frozen={"u:1.0": "padding", "u:1.2": "padding"},
    ),
]
