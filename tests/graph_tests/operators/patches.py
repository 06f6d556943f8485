"""Channels against space, and space in patches."""

import torch.nn.functional as F
from torch import nn

from ._base import Case, conv, frame

CASES = [
    frame(
        "pixel_shuffle",
        lambda p: F.pixel_shuffle(p, 2),
        (3, 20, 2, 3),
        dims={"p:0": 3, "p:1.0": 5},
        frozen={
            "p:1.1": "a spatial axis",
            "p:1.2": "a spatial axis",
            "p:2": "axis 2",
            "p:3": "axis 3",
            "u:2": "a spatial axis",
            "u:3": "a spatial axis",
        },
    ),
    frame("pixel_shuffle: square", lambda p: F.pixel_shuffle(p, 2), (5, 20, 2, 2), dims={"p:0": 5, "p:1.0": 5}),
    Case(
        "pixel_shuffle: a chain",
        lambda: {"a": conv(3, 20), "b": conv(5, 2)},
        lambda n, x: n.b(F.pixel_shuffle(n.a(x), 2)),
        [(2, 3, 2, 2)],
        {"a.weight:0.0": 5},
    ),
    frame(
        "pixel_unshuffle",
        lambda p: F.pixel_unshuffle(p, 2),
        (3, 5, 4, 6),
        dims={"p:0": 3, "p:1": 5},
        frozen={
            "p:2": "axis 2",
            "p:3": "axis 3",
            "u:1.1": "a spatial axis",
            "u:1.2": "a spatial axis",
            "u:2": "a spatial axis",
            "u:3": "a spatial axis",
        },
    ),
    frame(
        "channel_shuffle",
        lambda p: F.channel_shuffle(p, 3),
        (4, 6, 5),
        dims={"p:0": 4, "p:1.0": 3, "p:1.1": 2, "p:2": 5},
    ),
    frame(
        "channel_shuffle: square",
        lambda p: F.channel_shuffle(p, 2),
        (4, 4, 4),
        dims={"p:0": 4, "p:1.0": 2, "p:1.1": 2, "p:2": 4},
    ),
    Case(
        "channel_shuffle: between grouped convolutions",
        lambda: {
            "a": conv(3, 6),
            "b": nn.Conv2d(6, 12, 1, groups=3),
            "c": nn.Conv2d(12, 6, 1, groups=3),
            "d": conv(6, 2),
        },
        lambda n, x: n.d(n.c(F.channel_shuffle(n.b(n.a(x)), 3))),
        [(2, 3, 2, 2)],
        {"a.weight:0.1": (2, 3), "c.weight:0.1": (2, 3)},
        frozen={"a.weight:0.0": "axes that do not line up"},
    ),
    Case(
        "channel_shuffle: as many groups as channels in each",
        lambda: {
            "a": conv(3, 9),
            "b": nn.Conv2d(9, 9, 1, groups=3),
            "c": nn.Conv2d(9, 6, 1, groups=3),
            "d": conv(6, 2),
        },
        lambda n, x: n.d(n.c(F.channel_shuffle(n.b(n.a(x)), 3))),
        [(2, 3, 2, 2)],
        {"a.weight:0.0": 3, "a.weight:0.1": (3, 3), "b.weight:0.1": 3, "c.weight:0.1": (2, 3)},
        groups=["a.weight:0.0", "b.weight:0.1"],
    ),
    frame(
        "im2col",
        lambda p: F.unfold(p, 2),
        (3, 5, 4, 4),
        dims={"p:0": 3, "p:1": 5},
        frozen={"p:2": "axis 2", "p:3": "axis 3", "u:1.1": "a spatial axis", "u:2": "a spatial axis"},
    ),
    frame(
        "col2im",
        lambda p: F.fold(p, (4, 3), 2),
        (3, 20, 6),
        dims={"p:0": 3, "p:1.0": 5},
        frozen={"p:1.1": "a spatial axis", "p:2": "axis 2", "u:2": "a spatial axis", "u:3": "a spatial axis"},
    ),
    frame(
        "unfold",
        lambda p: p.unfold(1, 3, 2),
        (5, 9, 5),
        dims={"p:0": 5, "p:2": 5},
        frozen={"p:1": "unfold (unfold) works along axis 1", "u:1": "a spatial axis", "u:3": "a spatial axis"},
    ),
    frame(
        "channel_shuffle: four axes",
        lambda p: F.channel_shuffle(p, 3),
        (4, 6, 5, 2),
        dims={"p:0": 4, "p:1.0": 3, "p:1.1": 2, "p:2": 5, "p:3": 2},
        groups=[],
    ),
]
