"""Extremes, sorting and looking up along an axis: that stays where positions matter, and the others pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ._base import Case, conv, frame

P = {"p:0": 3, "p:1": 5, "p:2": 7}
SQUARE = {"p:0": 4, "p:1": 4, "p:2": 4}
STAY = {"p:0": 3, "p:2": 7}

IN_TURN = torch.tensor([2, 0, 1])


def _values(name: str) -> list[Case]:
    """Read the elements and not where they are: the axis that is reduced may be cut."""

    def first(*arguments: Any) -> Callable[[Tensor], Any]:
        return lambda p: getattr(torch, name)(p, *arguments)[0]

    return [
        frame(f"{name}: one axis", first(1), (3, 5, 7), dims=P, blended=["p:1"]),
        frame(f"{name}: an axis that stays", first(-1, True), (3, 5, 7), dims=P, blended=["p:2"]),
        frame(f"{name}: square", first(1), (4, 4, 4), dims=SQUARE, blended=["p:1"]),
        frame(f"{name}: four axes", first(1), (3, 5, 7, 2), dims={**P, "p:3": 2}, blended=["p:1"]),
        frame(f"{name}: four axes that stay", first(1, True), (3, 5, 7, 2), dims={**P, "p:3": 2}, blended=["p:1"]),
    ]


def _positions(name: str, *arguments: Any) -> list[Case]:
    """Read where the elements are, too: the axis keeps its size, and so its numbers."""

    def run(p: Tensor) -> Any:
        return getattr(torch, name)(p, *arguments, 1)

    def kept(p: Tensor) -> Any:
        return getattr(torch, name)(p, *arguments, -1, True)

    def second(p: Tensor) -> Any:
        return getattr(torch, name)(p, *arguments, 1, True)

    frozen = {"p:1": f"{name} ({name}"}
    return [
        frame(f"{name}: with positions", run, (3, 5, 7), dims=STAY, frozen={"p:1": "works along axis 1 of its self"}),
        frame(f"{name}: with positions, square", run, (4, 4, 4), dims={"p:0": 4, "p:2": 4}, frozen=frozen),
        frame(f"{name}: with positions, an axis that stays", kept, (3, 5, 7), dims={"p:0": 3, "p:1": 5}),
        frame(f"{name}: with positions, the second of four that stay", second, (3, 5, 7, 2), dims={**STAY, "p:3": 2}),
        frame(f"{name}: with positions, four axes", run, (3, 5, 7, 2), dims={**STAY, "p:3": 2}),
        frame(f"{name}: with positions, four axes that stay", kept, (3, 5, 2, 7), dims={"p:0": 3, "p:1": 5, "p:2": 2}),
    ]


def _ordered(name: str, operator: Callable[[Tensor], Any]) -> list[Case]:
    """Order 5 positions: the others pass, and what comes out along the axis is new."""
    frozen = {"p:1": "works along axis 1 of its self", "u:1": "compares positions"}
    return [
        frame(name, operator, (3, 5, 7), dims=STAY, frozen=frozen),
        frame(f"{name}: square", operator, (4, 4, 4), dims={"p:0": 4, "p:2": 4}, frozen=frozen),
        frame(f"{name}: four axes", operator, (3, 5, 7, 2), dims={**STAY, "p:3": 2}, frozen=frozen),
    ]


def _by_head(name: str, x: Tensor, ids: Tensor) -> Tensor:
    numbers = ids[:, None, None].expand(3, 4, 2)
    return x.gather(0, numbers) if name == "gather" else x.take_along_dim(numbers, 0)


def _looked_up(network: Any, x: Tensor) -> Tensor:
    """Keep the tokens with the largest score, as networks do that prune their tokens."""
    y = network.a(x)
    best = network.score(y).squeeze(-1).topk(3, 1)[1]
    kept = y.gather(1, best[..., None].expand(-1, -1, y.shape[-1]))
    out: Tensor = network.b(kept)
    return out


def _attended(network: Any, x: Tensor) -> Tensor:
    """Gate space by the largest and the mean of all channels."""
    y = network.a(x)
    told = torch.cat([y.max(1, keepdim=True)[0], y.mean(1, keepdim=True)], 1)
    out: Tensor = network.b(y * network.gate(told).sigmoid())
    return out


CASES = [
    *(case for name in ("max", "min", "median", "nanmedian", "mode") for case in _values(name)),
    *(case for name in ("max", "min", "median", "nanmedian", "mode") for case in _positions(name)),
    *(case for name in ("kthvalue",) for case in _positions(name, 2)),
    *(
        frame(f"{name}: all axes", getattr(torch, name), (3, 5), dims={"p:0": 3, "p:1": 5}, blended=["p:0", "p:1"])
        for name in ("max", "min", "median")
    ),
    *(
        frame(f"{name}: of two tensors", getattr(torch, name), (3, 5), (5,), dims={"p:0": 3, "p:1": 5})
        for name in ("max", "min")
    ),
    frame("aminmax", lambda p: torch.aminmax(p, dim=1), (3, 5, 7), dims=P, blended=["p:1"]),
    frame("aminmax: square", lambda p: torch.aminmax(p, dim=1), (4, 4, 4), dims=SQUARE, blended=["p:1"]),
    frame("aminmax: all axes", torch.aminmax, (3, 5), dims={"p:0": 3, "p:1": 5}, blended=["p:0", "p:1"]),
    *(
        case
        for name in ("argmax", "argmin")
        for case in (
            frame(f"{name}: one axis", lambda p, name=name: getattr(p, name)(1), (3, 5, 7), dims=STAY),
            frame(f"{name}: square", lambda p, name=name: getattr(p, name)(1), (4, 4, 4), dims={"p:0": 4, "p:2": 4}),
            frame(
                f"{name}: an axis that stays",
                lambda p, name=name: getattr(p, name)(-1, True),
                (3, 5, 7),
                dims={"p:0": 3, "p:1": 5},
            ),
            frame(
                f"{name}: all axes",
                lambda p, q, name=name: getattr(p, name)() + q,
                (3, 5),
                (7,),
                dims={"q:0": 7},
                frozen={"p:0": "works along axis 0", "p:1": "works along axis 1"},
            ),
        )
    ),
    *_ordered("sort", lambda p: p.sort(1)),
    *_ordered("sort: stable", lambda p: torch.sort(p, stable=True, dim=1, descending=True)),
    *_ordered("argsort", lambda p: p.argsort(1)),
    *_ordered("topk", lambda p: p.topk(3, 1)),
    *_ordered("topk: all", lambda p: p.topk(p.shape[1], 1)),
    *_ordered("diff", lambda p: p.diff(dim=1)),
    frame("msort", torch.msort, (5, 7), dims={"p:1": 7}, frozen={"p:0": "works along axis 0 of its self"}),
    frame("msort: square", torch.msort, (4, 4, 4), dims={"p:1": 4, "p:2": 4}),
    frame(
        "topk: along heads",
        lambda p: p.view(3, 4).topk(2, 0)[0],
        (12,),
        dims={"p:0.1": 4},
        frozen={"p:0.0": "works along axis 0 of its self"},
    ),
    frame(
        "gather",
        lambda p, ids: p.gather(1, ids[:, None, None].expand(3, 2, 7)),
        (3, 5, 7),
        buffers={"ids": IN_TURN},
        dims={"p:0": 3, "p:2": 7, "u:1": 2},
        frozen={"p:1": "works along axis 1 of its self"},
    ),
    frame(
        "gather: square",
        lambda p, q: p.gather(1, q.argsort(1)),
        (4, 4, 4),
        (4, 4, 4),
        dims={"p:0": 4, "p:2": 4},
    ),
    frame(
        "gather: fewer of another axis",
        lambda p, ids: p.gather(1, ids[:2, None, None].expand(2, 2, 7)),
        (3, 5, 7),
        buffers={"ids": IN_TURN},
        dims={"p:2": 7, "u:1": 2},
        frozen={"p:0": "works along axis 0 of its self", "u:0": "works along axis 0 of its index"},
    ),
    frame(
        "gather: in heads",
        lambda p, ids: p.view(3, 4).gather(0, ids[:, None].expand(3, 4)) + p.view(3, 4),
        (12,),
        buffers={"ids": IN_TURN},
        dims={"p:0.1": 4},
        frozen={"p:0.0": "works along axis 0 of its self"},
    ),
    frame(
        "take_along_dim: repeated",
        lambda p, ids: p.take_along_dim(ids[:, None, None], 1),
        (3, 5, 7),
        buffers={"ids": IN_TURN},
        dims={"p:0": 3, "p:2": 7},
        frozen={"p:1": "works along axis 1 of its self"},
    ),
    frame(
        "take_along_dim: square",
        lambda p, q: p.take_along_dim(q.argsort(1), 1),
        (4, 4, 4),
        (4, 4, 4),
        dims={"p:0": 4, "p:2": 4},
    ),
    *(
        frame(
            f"{name}: in heads of several",
            lambda p, ids, name=name: _by_head(name, p.view(3, 4, 2), ids) + p.view(3, 4, 2),
            (24,),
            buffers={"ids": IN_TURN},
            dims={"p:0.1": 4, "p:0.2": (2, 4)},
        )
        for name in ("gather", "take_along_dim")
    ),
    Case(
        "gather: tokens",
        lambda: {"a": nn.Linear(3, 6), "score": nn.Linear(6, 1), "b": nn.Linear(6, 2)},
        _looked_up,
        [(2, 5, 3)],
        {"a.weight:0": 6},
    ),
    Case(
        "max: over channels",
        lambda: {"a": conv(3, 6), "gate": conv(2, 1), "b": conv(6, 2)},
        _attended,
        [(2, 3, 4, 4)],
        {"a.weight:0": 6},
        blended=["a.weight:0"],
    ),
    Case(
        "max: over time",
        lambda: {"a": nn.Conv1d(3, 6, 1), "b": nn.Linear(6, 2)},
        lambda n, x: n.b(n.a(x).max(-1).values),
        [(2, 3, 5)],
        {"a.weight:0": 6},
    ),
]
