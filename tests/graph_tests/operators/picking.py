"""Slices, selection by number, look-ups, and what moves positions along an axis."""

from typing import Any

import torch
from torch import Tensor, nn

from ._base import Case, frame

IDS = torch.tensor([0, 3, 1, 4])
PAIRS = torch.tensor([[0, 3], [1, 4], [2, 2]])
NINE = {"p:0": 3, "p:1.0": 4, "p:1.1": 5}


def _halves(x: Tensor) -> Tensor:
    """Rotate by halves: the first half of the width turns into the second."""
    return torch.cat([-x[..., 3:], x[..., :3]], -1)


def _pairs(x: Tensor) -> Tensor:
    """Rotate by pairs: neighbours turn into each other."""
    return torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)


def _rotary(turn: Any) -> Any:
    def run(network: Any, x: Tensor) -> Tensor:
        q, k = (part(x).view(-1, 5, 2, 6).transpose(1, 2) for part in (network.q, network.k))
        q, k = (y * network.cos + turn(y) * network.sin for y in (q, k))
        scores: Tensor = q @ k.transpose(-1, -2)
        return scores.sum(1)

    return run


def _rotated() -> dict[str, nn.Module | Tensor]:
    return {"q": nn.Linear(7, 12), "k": nn.Linear(7, 12), "cos": torch.rand(5, 6), "sin": torch.rand(5, 6)}


def _written(network: Any, x: Tensor) -> Tensor:
    y = network.a(x) * 1.0
    y[:, 0] = y[:, 1]
    y[:, 2:] = y[:, :2]
    out: Tensor = network.b(y)
    return out


CASES = [
    frame("slice: the beginning", lambda p: p[:, :4], (3, 9), dims=NINE),
    frame("slice: the end", lambda p: p[:, 4:], (3, 9), dims=NINE),
    frame("slice: the end, counted from behind", lambda p: p[:, -5:], (3, 9), dims=NINE),
    frame("slice: all but the end", lambda p: p[:, :-5], (3, 9), dims=NINE),
    frame("slice: the middle", lambda p: p[:, 2:6], (3, 9), dims={"p:0": 3, "p:1.0": 2, "p:1.1": 4, "p:1.2": 3}),
    frame("slice: a named end that is the end", lambda p: p[:, 4:9], (3, 9), dims=NINE),
    frame("slice: square", lambda p: p[:, 2:6], (4, 9), dims={"p:0": 4, "p:1.0": 2, "p:1.1": 4, "p:1.2": 3}),
    frame(
        "slice: every second",
        lambda p: p[:, ::2],
        (3, 10),
        dims={"p:0": 3, "p:1.0": 5},
        frozen={"p:1.1": "takes every 2th position"},
    ),
    frame("slice: every second, with an end", lambda p: p[:, 1:10:2], (3, 10), dims={"p:0": 3, "p:1.0": 5}),
    frame(
        "slice: every second of an odd number",
        lambda p: p[:, ::2],
        (3, 9),
        dims={"p:0": 3},
        frozen={"p:1": "works along axis 1", "u:1": "takes a part of an axis that stays whole"},
    ),
    frame(
        "slice: across heads",
        lambda p, q: (p.view(3, 4)[:1], p[:5], q),
        (12,),
        (7,),
        dims={"q:0": 7},
        frozen={"p:0.0": "works along axis 0"},
    ),
    Case("slice: rotary by halves", _rotated, _rotary(_halves), [(2, 5, 7)], {"q.weight:0.0": 2, "q.weight:0.1": 3}),
    Case("slice: rotary by pairs", _rotated, _rotary(_pairs), [(2, 5, 7)], {"q.weight:0.0": 2, "q.weight:0.1": 3}),
    frame(
        "select",
        lambda p: p[:, 2],
        (4, 5, 4),
        dims={"p:0": 4, "p:2": 4},
        frozen={"p:1": "select (select) works along axis 1 of its self"},
    ),
    frame("unbind: the first axis", lambda p: p.unbind(0), (3, 4, 5), dims={"p:1": 4, "p:2": 5}),
    frame(
        "unbind",
        lambda p: p.unbind(1),
        (4, 2, 4),
        dims={"p:0": 4, "p:2": 4},
        frozen={"p:1": "unbind (unbind) works along axis 1 of its self"},
    ),
    frame(
        "index: one axis",
        lambda p, ids: p[:, ids],
        (3, 5, 7),
        buffers={"ids": IDS},
        dims={"p:0": 3, "p:2": 7, "u:1": 4},
        frozen={"p:1": "index (index) works along axis 1 of its self"},
    ),
    frame(
        "index: a table of numbers",
        lambda p, ids: p[ids],
        (5, 7),
        buffers={"ids": PAIRS},
        dims={"p:1": 7, "u:0": 3, "u:1": 2},
    ),
    frame(
        "index: square", lambda p, ids: p[:, ids], (4, 5, 4), buffers={"ids": IDS}, dims={"p:0": 4, "p:2": 4, "u:1": 4}
    ),
    frame(
        "index: two axes together",
        lambda p, ids, pairs: p[:, ids[:3, None], pairs],
        (4, 5, 6),
        buffers={"ids": IDS, "pairs": PAIRS},
        dims={"p:0": 4, "u:1": 3, "u:2": 2},
        frozen={"p:1": "axis 1", "p:2": "axis 2"},
    ),
    frame(
        "index: two axes apart",
        lambda p, ids: p[ids, :, ids],
        (5, 4, 6),
        buffers={"ids": IDS},
        dims={"p:1": 4, "u:0": 4},
        frozen={"p:0": "axis 0", "p:2": "axis 2"},
    ),
    frame(
        "index_select",
        lambda p, ids: p.index_select(1, ids),
        (4, 5, 4),
        buffers={"ids": IDS},
        dims={"p:0": 4, "p:2": 4, "u:1": 4},
        frozen={"p:1": "works along axis 1"},
    ),
    frame(
        "roll: one axis",
        lambda p: p.roll(1, 1),
        (4, 5, 4),
        dims={"p:0": 4, "p:2": 4},
        frozen={"p:1": "roll (roll) works along axis 1"},
    ),
    frame(
        "roll: two axes",
        lambda p: p.roll((1, 2), (0, -1)),
        (4, 5, 4),
        dims={"p:1": 5},
        frozen={"p:0": "roll", "p:2": "roll"},
    ),
    frame(
        "roll: all axes as one",
        lambda p, q: (p.roll(1), q),
        (4, 5),
        (7,),
        dims={"q:0": 7},
        frozen={"p:0": "roll", "p:1": "roll"},
    ),
    *(
        frame(
            f"{name}: along heads",
            lambda p, name=name, arguments=arguments: getattr(p.view(3, 4), name)(*arguments),
            (12,),
            dims={"p:0.1": 4},
            frozen={"p:0.0": f"{name} ({name}) works along axis 0"},
        )
        for name, arguments in (
            ("roll", (1, 0)),
            ("flip", (0,)),
            ("cumsum", (0,)),
            ("cumprod", (0,)),
            ("logcumsumexp", (0,)),
            ("cummax", (0,)),
            ("cummin", (0,)),
        )
    ),
    frame("flip", lambda p: p.flip(1), (4, 5, 4), dims={"p:0": 4, "p:2": 4}, frozen={"p:1": "flip"}),
    frame("cumsum", lambda p: p.cumsum(1), (4, 5, 4), dims={"p:0": 4, "p:2": 4}, frozen={"p:1": "cumsum"}),
    *(
        frame(
            name,
            lambda p, name=name: getattr(torch, name)(p, 1),
            (4, 5, 4),
            dims={"p:0": 4, "p:2": 4},
            frozen={"p:1": "works along axis 1 of its self"},
        )
        for name in ("cumprod", "cummax", "cummin", "logcumsumexp")
    ),
    *(
        case
        for name in ("tril", "triu")
        for case in (
            frame(
                name,
                getattr(torch, name),
                (3, 4, 4),
                dims={"p:0": 3},
                frozen={"p:1": "works along axis 1 of its self", "u:1": "compares positions"},
            ),
            frame(f"{name}: square", lambda p, name=name: getattr(p, name)(1), (4, 4, 4, 4), dims={"p:0": 4, "p:1": 4}),
            frame(
                f"{name}: in heads",
                lambda p, name=name: getattr(p.view(3, 4, 2).transpose(0, 1), name)(1),
                (24,),
                dims={"p:0.1": 4},
            ),
        )
    ),
    frame(
        "slice_scatter",
        lambda p, q: torch.slice_scatter(p, q, 1, 1, 3),
        (4, 5, 4),
        (4, 2, 4),
        dims={"p:0": 4, "p:2": 4},
        frozen={"p:1": "axis 1 of its self", "q:1": "axis 1 of its src"},
    ),
    frame(
        "select_scatter",
        lambda p, q: torch.select_scatter(p, q, 1, 2),
        (4, 5, 4),
        (4, 4),
        dims={"p:0": 4, "p:2": 4},
        frozen={"p:1": "axis 1 of its self"},
    ),
    Case(
        "slice_scatter: written in place",
        lambda: {"a": nn.Linear(3, 6), "b": nn.Linear(6, 2)},
        _written,
        [(2, 4, 3)],
        {"a.weight:0": 6},
    ),
    frame(
        "index: two axes side by side",
        lambda p, ids: p[:, ids[:, 0], ids[:, 1]],
        (3, 4, 5),
        buffers={"ids": PAIRS},
        dims={"p:0": 3, "u:1": 3},
        frozen={"p:1": "works along axis 1 of its self", "p:2": "works along axis 2 of its self"},
    ),
    frame("slice: four axes", lambda p: p[:, 4:], (3, 9, 7, 2), dims={**NINE, "p:2": 7, "p:3": 2}),
    frame("unbind: five axes", lambda p: p.unbind(1), (4, 3, 5, 2, 3), dims={"p:0": 4, "p:2": 5, "p:3": 2, "p:4": 3}),
    frame(
        "index: a table of numbers in one row",
        lambda p, ids: p[ids.view(-1)],
        (5, 7),
        buffers={"ids": PAIRS},
        dims={"p:1": 7, "u:0.0": 3, "u:0.1": (2, 3)},
    ),
    *(
        frame(
            f"{name}: along the first of three",
            lambda p, name=name, arguments=arguments: getattr(p.view(3, 4, 2), name)(*arguments),
            (24,),
            dims={"p:0.1": 4, "p:0.2": (2, 4)},
        )
        for name, arguments in (
            ("roll", (1, 0)),
            ("flip", (0,)),
            ("cumsum", (0,)),
            ("cumprod", (0,)),
            ("logcumsumexp", (0,)),
            ("cummax", (0,)),
            ("cummin", (0,)),
        )
    ),
]
