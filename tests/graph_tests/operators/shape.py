"""Operators that rearrange axes, repeat them, or read them in other sizes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ._base import Case, Parts, conv, frame, free

PQR = {"p:0": 3, "p:1": 4, "p:2": 5}
CUBE = {"p:0": 4, "p:1": 4, "p:2": 4}


def _in_heads(network: Any, x: Tensor) -> Tensor:
    """Scale each of 3 heads, in a view of the 12 channels."""
    y = network.a(x).view(-1, 3, 4, 2, 2) * network.scale
    out: Tensor = network.b(y.view(-1, 12, 2, 2))
    return out


def _with_class_token(network: Any, x: Tensor) -> Tensor:
    y = network.a(x)
    out: Tensor = network.b(torch.cat([network.token.expand(y.shape[0], -1, -1), y], 1))
    return out


def _as_the_batch(network: Any, x: Tensor) -> Tensor:
    y = network.a(x)
    out: Tensor = network.b(y + network.token.repeat(y.shape[0], 1, 1))
    return out


def _tokens() -> Parts:
    return {"a": nn.Linear(4, 6), "b": nn.Linear(6, 2), "token": free(1, 6), "three": free(3, 1)}


def _by_threes(lay: Callable[[Tensor, Any], Tensor]) -> Callable[..., Any]:
    """Write a token three times for each of the batch: a size that is computed is not written anew, so 3 stays."""

    def run(network: Any, x: Tensor) -> Tensor:
        y = network.a(x).unsqueeze(1)
        out: Tensor = network.b(y * network.three + lay(network.token, y.shape[0] * 3).view(-1, 3, 6))
        return out

    return run


CASES = [
    frame("flatten: two axes", lambda p: p.flatten(1), (3, 4, 5), dims={"p:0": 3, "p:1": 4, "p:2": (5, 4)}),
    frame("flatten: square", lambda p: p.flatten(0, 1), (4, 4, 4), dims={"p:0": 4, "p:1": (4, 4), "p:2": 4}),
    Case(
        "flatten: positions behind channels",
        lambda: {"a": conv(3, 5), "b": nn.Linear(20, 2)},
        lambda n, x: n.b(n.a(x).flatten(1)),
        [(2, 3, 2, 2)],
        {"a.weight:0": 5},
    ),
    frame("reshape: apart", lambda p: p.reshape(3, 4, 5), (12, 5), dims={"p:0.0": 3, "p:0.1": (4, 3), "p:1": 5}),
    frame("reshape: together", lambda p: p.reshape(12, 5), (3, 4, 5), dims={"p:0": 3, "p:1": (4, 3), "p:2": 5}),
    frame("reshape: across", lambda p: p.reshape(3, 20), (12, 5), dims={"p:0.0": 3, "p:0.1": (4, 3), "p:1": (5, 4)}),
    frame(
        "reshape: across what cannot be split",
        lambda p, q: (p.reshape(10, 3), q),
        (6, 5),
        (7,),
        dims={"q:0": 7},
        frozen={"p:0": "regroups across", "p:1": "regroups across", "u:0": "regroups across"},
    ),
    frame("reshape: square", lambda p: p.reshape(4, 4), (16,), dims={"p:0.0": 4, "p:0.1": (4, 4)}),
    frame("view: apart", lambda p: p.view(3, 4, 5), (12, 5), dims={"p:0.0": 3, "p:0.1": (4, 3), "p:1": 5}),
    frame("view: square", lambda p: p.view(4, 4), (16,), dims={"p:0.0": 4, "p:0.1": (4, 4)}),
    Case(
        "view: heads and back",
        lambda: {"a": conv(3, 12), "b": conv(12, 2), "scale": nn.Parameter(torch.rand(3, 1, 1, 1))},
        _in_heads,
        [(2, 3, 2, 2)],
        {"scale:0": 3, "a.weight:0.1": (4, 3)},
    ),
    frame("reshape_as", lambda p, q: p.reshape_as(q) * q, (3, 4), (12,), dims={"p:0": 3, "p:1": (4, 3)}),
    frame(
        "reshape_as: only for its sizes",
        torch.Tensor.reshape_as,
        (12,),
        (3, 4),
        whole="u",
        dims={"p:0.0": 3, "p:0.1": (4, 3)},
    ),
    frame("reshape_as: square", torch.Tensor.reshape_as, (16,), (4, 4), dims={"p:0.0": 4, "p:0.1": (4, 4)}),
    frame("view_as", torch.Tensor.view_as, (12,), (3, 4), whole="u", dims={"p:0.0": 3, "p:0.1": (4, 3)}),
    frame("view_as: square", torch.Tensor.view_as, (16,), (4, 4), dims={"p:0.0": 4, "p:0.1": (4, 4)}),
    frame("permute", lambda p: p.permute(2, 0, 1), (3, 4, 5), dims=PQR),
    frame("permute: square", lambda p: p.permute(-1, 0, 1), (4, 4, 4), dims=CUBE),
    frame("transpose", lambda p: p.transpose(0, -1), (3, 4, 5), dims=PQR),
    frame("transpose: square", lambda p: p.transpose(0, -1), (4, 4, 4), dims=CUBE),
    frame("swapaxes: square", lambda p: p.swapaxes(0, 1), (4, 4, 4), dims=CUBE),
    frame("swapdims: square", lambda p: p.swapdims(0, 1), (4, 4, 4), dims=CUBE),
    frame("t: square", lambda p: p.t(), (4, 4), dims={"p:0": 4, "p:1": 4}),
    frame("t: a vector", lambda p: p.t(), (4,), dims={"p:0": 4}),
    frame("mT: square", lambda p: p.mT, (4, 4, 4), dims=CUBE),
    frame("movedim: one", lambda p: p.movedim(0, -1), (3, 4, 5), dims=PQR),
    frame("movedim: two, square", lambda p: p.movedim((0, 1), (1, 2)), (4, 4, 4), dims=CUBE),
    frame("moveaxis: one, square", lambda p: p.moveaxis(0, 2), (4, 4, 4), dims=CUBE),
    frame("squeeze", lambda p: p.squeeze(1), (3, 1, 5), dims={"p:0": 3, "p:2": 5}),
    frame("squeeze: four axes", lambda p: p.squeeze(1), (3, 1, 5, 7, 2), dims={"p:0": 3, "p:2": 5, "p:3": 7, "p:4": 2}),
    frame("squeeze: all, square", lambda p: p.squeeze(), (4, 1, 4, 1), dims={"p:0": 4, "p:2": 4}),
    frame("unsqueeze", lambda p: p.unsqueeze(1), (3, 5), dims={"p:0": 3, "p:1": 5}),
    frame("unsqueeze: at the end, square", lambda p: p.unsqueeze(-1), (4, 4), dims={"p:0": 4, "p:1": 4}),
    frame("expand: sizes", lambda p: p.expand(3, 4, 5), (3, 1, 5), dims={"p:0": 3, "p:2": 5, "u:1": 4}),
    frame("expand: -1", lambda p: p.expand(-1, 4, -1), (3, 1, 5), dims={"p:0": 3, "p:2": 5, "u:1": 4}),
    frame("expand: new axes", lambda p: p.expand(3, 4, 5), (5,), dims={"p:0": 5, "u:0": 3, "u:1": 4}),
    frame("expand: square", lambda p: p.expand(4, 4, 4), (4, 1, 4), dims={"p:0": 4, "p:2": 4, "u:1": 4}),
    Case(
        "expand: to the batch",
        lambda: {"a": nn.Linear(3, 6), "b": nn.Linear(6, 2), "token": nn.Parameter(torch.rand(1, 1, 6))},
        _with_class_token,
        [(2, 4, 3)],
        {"token:2": 6},
    ),
    frame("expand_as", lambda p, q: p.expand_as(q), (3, 1), (3, 5), dims={"p:0": 3, "q:1": 5}),
    frame("expand_as: new axes, square", lambda p, q: p.expand_as(q), (4,), (4, 4), dims={"p:0": 4, "q:0": 4}),
    frame("repeat", lambda p: p.repeat(2, 1), (3, 5), dims={"p:0": 3, "p:1": 5, "u:0.0": 2}),
    frame("repeat: new axes", lambda p: p.repeat(3, 2), (5,), dims={"p:0": 5, "u:0": 3, "u:1.0": 2}),
    frame("repeat: square", lambda p: p.repeat(1, 2, 1), (4, 2, 4), dims={"p:0": 4, "p:1": 2, "p:2": 4, "u:1.0": 2}),
    Case(
        "repeat: to the batch",
        lambda: {"a": nn.Linear(3, 6), "b": nn.Linear(6, 2), "token": nn.Parameter(torch.rand(1, 4, 6))},
        _as_the_batch,
        [(2, 4, 3)],
        {"token:2": 6},
    ),
    frame("tile", lambda p: p.tile(2, 1), (3, 5), dims={"p:0": 3, "p:1": 5, "u:0.0": 2}),
    frame("tile: fewer numbers than axes", lambda p: p.tile(2), (3, 5), dims={"p:0": 3, "p:1": 5, "u:1.0": 2}),
    frame("tile: square", lambda p: p.tile(1, 3, 1), (4, 2, 4), dims={"p:0": 4, "p:1": 2, "p:2": 4, "u:1.0": 3}),
    frame("repeat_interleave", lambda p: p.repeat_interleave(2, 0), (3, 5), dims={"p:0": 3, "p:1": 5, "u:0.1": (2, 3)}),
    frame(
        "repeat_interleave: square",
        lambda p: p.repeat_interleave(2, -1),
        (4, 2),
        dims={"p:0": 4, "p:1": 2, "u:1.1": (2, 2)},
    ),
    frame(
        "flatten: six axes",
        lambda p: p.flatten(2, 3),
        (2, 3, 2, 2, 5, 2),
        dims={"p:0": 2, "p:1": 3, "p:2": 2, "p:3": (2, 2), "p:4": 5, "p:5": 2},
    ),
    frame(
        "transpose: six axes",
        lambda p: p.transpose(0, -1),
        (2, 3, 2, 2, 5, 2),
        dims={"p:0": 2, "p:1": 3, "p:2": 2, "p:3": 2, "p:4": 5, "p:5": 2},
    ),
    frame(
        "permute: four axes",
        lambda p: p.permute(3, 1, 0, 2),
        (4, 4, 4, 4),
        dims={"p:0": 4, "p:1": 4, "p:2": 4, "p:3": 4},
    ),
    frame("unsqueeze: four axes", lambda p: p.unsqueeze(1), (4, 4, 4), dims=CUBE),
    frame("reshape: a cube", lambda p: p.reshape(4, 4, 4), (64,), dims={"p:0.0": 4, "p:0.1": 4, "p:0.2": 4}),
    frame(
        "view: together",
        lambda p: p.view(16, 2, 3, 5),
        (4, 4, 2, 3, 5),
        dims={"p:0": 4, "p:1": (4, 4), "p:2": 2, "p:3": 3, "p:4": 5},
    ),
    frame(
        "view: five axes",
        lambda p: p.view(2, 2, 2, 3, 5),
        (4, 2, 3, 5),
        dims={"p:0.0": 2, "p:0.1": (2, 2), "p:1": 2, "p:2": 3, "p:3": 5},
    ),
    frame(
        "expand: five axes",
        lambda p: p.expand(2, 3, 4, 5, 2),
        (1, 3, 1, 5, 2),
        dims={"p:1": 3, "p:3": 5, "p:4": 2, "u:0": 2, "u:2": 4},
    ),
    frame(
        "repeat: four axes",
        lambda p: p.repeat(1, 3, 1, 2),
        (2, 3, 2, 5),
        dims={"p:0": 2, "p:1": 3, "p:2": 2, "p:3": 5, "u:1.0": 3, "u:3.0": 2},
    ),
    frame(
        "repeat_interleave: four axes",
        lambda p: p.repeat_interleave(3, 1),
        (2, 3, 2, 5),
        dims={"p:0": 2, "p:1": 3, "p:2": 2, "p:3": 5, "u:1.1": (3, 3)},
    ),
    Case(
        "expand: to three for each of the batch",
        _tokens,
        _by_threes(lambda t, n: t.expand(n, 6)),
        [(2, 4)],
        {"token:1": 6},
        frozen={"three:0": "takes its size from another tensor"},
    ),
    Case(
        "repeat: to three for each of the batch",
        _tokens,
        _by_threes(lambda t, n: t.repeat(n, 1)),
        [(2, 4)],
        {"token:1": 6},
        frozen={"three:0": "it repeats the batch"},
    ),
]
