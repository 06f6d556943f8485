"""Scaled dot-product attention: alone, and in the ways in which networks call it."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._base import Case, Parts, Width, frame

attend = F.scaled_dot_product_attention


def _qkv(network: Any, x: Tensor) -> Tensor:
    qkv = network.qkv(x).reshape(x.shape[0], 5, 3, 3, 4).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    out: Tensor = network.out(attend(q, k, v).transpose(1, 2).reshape(x.shape[0], 5, 12))
    return out


def _split_heads(network: Any, x: Tensor) -> Tensor:
    """Chunk first and take the heads apart afterwards, with products written out."""
    heads = [part.view(-1, 5, 3, 4).transpose(1, 2) for part in network.qkv(x).chunk(3, -1)]
    scores = (heads[0] @ heads[1].transpose(-2, -1)).softmax(-1)
    out: Tensor = network.out((scores @ heads[2]).transpose(1, 2).flatten(2))
    return out


def _biased(network: Any, x: Tensor) -> Tensor:
    """Add a bias for each head and pair of positions, looked up in a table."""
    q, k, v = (part(x).view(-1, 5, 3, 4).transpose(1, 2) for part in (network.q, network.k, network.v))
    bias = network.table[network.places.view(-1)].view(5, 5, 3).permute(2, 0, 1)
    scores = q @ k.transpose(-2, -1) + bias.unsqueeze(0)
    out: Tensor = network.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
    return out


def _grouped(repeat: Any) -> Any:
    """Let 6 query heads share 3 heads of keys and values, which are repeated by hand."""

    def run(network: Any, x: Tensor) -> Tensor:
        q = network.q(x).view(-1, 5, 6, 4).transpose(1, 2)
        k, v = (repeat(part(x).view(-1, 5, 3, 4).transpose(1, 2)) for part in (network.k, network.v))
        out: Tensor = network.out(attend(q, k, v).transpose(1, 2).flatten(2))
        return out

    return run


def _alone(x: Tensor) -> Tensor:
    return attend(x, x, x)


def _separate() -> Parts:
    return {"q": nn.Linear(7, 12), "k": nn.Linear(7, 12), "v": nn.Linear(7, 12), "out": nn.Linear(12, 2)}


def _few_keys() -> Parts:
    return {"q": nn.Linear(7, 24), "k": nn.Linear(7, 12), "v": nn.Linear(7, 12), "out": nn.Linear(24, 2)}


GROUPED: dict[str, Width] = {"q.weight:0.0": 3, "q.weight:0.1": (2, 3), "q.weight:0.2": (4, 3), "v.weight:0.1": (4, 3)}
"""Heads of keys; queries for each; widths of queries and values, in which each head of keys has units of its own."""

CASES = [
    frame(
        "attention: lengths and widths apart",
        attend,
        (2, 3, 5, 4),
        (2, 3, 6, 4),
        (2, 3, 6, 7),
        dims={"p:0": 2, "p:1": 3, "p:2": 5, "p:3": 4, "q:2": 6, "r:3": 7},
        blended=["q:2"],
    ),
    frame(
        "attention: square",
        attend,
        (3, 3, 3, 3),
        (3, 3, 3, 3),
        (3, 3, 3, 3),
        dims={"p:0": 3, "p:1": 3, "p:2": 3, "p:3": 3, "q:2": 3, "r:3": 3},
        blended=["q:2"],
    ),
    frame(
        "attention: a mask for each head",
        lambda p, q, r, s: attend(p, q, r, attn_mask=s),
        (2, 3, 5, 4),
        (2, 3, 6, 4),
        (2, 3, 6, 7),
        (3, 5, 6),
        dims={"p:0": 2, "p:1": 3, "p:2": 5, "p:3": 4, "q:2": 6, "r:3": 7},
        blended=["q:2"],
    ),
    frame(
        "attention: one mask",
        lambda p, q, r, s: attend(p, q, r, attn_mask=s),
        (2, 3, 5, 4),
        (2, 3, 6, 4),
        (2, 3, 6, 7),
        (5, 6),
        dims={"p:0": 2, "p:1": 3, "p:2": 5, "p:3": 4, "q:2": 6, "r:3": 7},
        blended=["q:2"],
    ),
    frame(
        "attention: grouped queries",
        lambda p, q, r: attend(p, q, r, enable_gqa=True),
        (2, 6, 5, 4),
        (2, 3, 7, 4),
        (2, 3, 7, 8),
        dims={"p:0": 2, "p:1.0": 3, "p:1.1": (2, 3), "p:2": 5, "p:3": 4, "q:2": 7, "r:3": 8},
        blended=["q:2"],
    ),
    frame(
        "attention: widths that meet",
        lambda p, q: attend(p.reshape(1, 1, 3, 4), p.reshape(1, 1, 3, 4), q),
        (12,),
        (1, 1, 3, 5),
        dims={"p:0.0": 3, "p:0.1": 4, "q:3": 5},
        blended=["p:0.0"],
    ),
    frame(
        "attention: keys that meet",
        lambda p, q: attend(q, p.reshape(1, 1, 4, 3).mT, p.reshape(1, 1, 4, 3).mT),
        (12,),
        (1, 1, 5, 4),
        dims={"p:0.0": 4, "p:0.1": 3, "q:2": 5},
        blended=["p:0.1"],
    ),
    frame(
        "attention: heads that meet",
        lambda p: _alone(p.view(3, 2, 4).transpose(0, 1)[None]),
        (24,),
        dims={"p:0.0": 3, "p:0.1": 2, "p:0.2": (4, 2)},
        blended=["p:0.0"],
    ),
    frame(
        "attention: values that meet",
        lambda p, q: attend(p.view(1, 1, 3, 2), p.view(1, 1, 3, 2), q.view(1, 1, 3, 5)),
        (6,),
        (15,),
        dims={"p:0.0": 3, "p:0.1": 2, "q:0.1": 5},
        blended=["p:0.0"],
    ),
    frame(
        "attention: queries that meet",
        lambda p, q: attend(p.view(1, 1, 3, 4).mT, q.view(1, 1, 5, 3), q.view(1, 1, 5, 3)),
        (12,),
        (15,),
        dims={"p:0.0": 3, "p:0.1": 4, "q:0.0": 5},
        blended=["q:0.0"],
    ),
    Case(
        "attention: one projection, unbound",
        lambda: {"qkv": nn.Linear(7, 36), "out": nn.Linear(12, 2)},
        _qkv,
        [(2, 5, 7)],
        {"qkv.weight:0.1": 3, "qkv.weight:0.2": (4, 3)},
        frozen={"qkv.weight:0.0": "unbind (unbind) works along axis 0 of its self"},
    ),
    Case(
        "attention: one projection, chunked, by hand",
        lambda: {"qkv": nn.Linear(7, 36), "out": nn.Linear(12, 2)},
        _split_heads,
        [(2, 5, 7)],
        {"qkv.weight:0.0": 3, "qkv.weight:0.1": (4, 3), "qkv.weight:0.5": (4, 3)},
    ),
    Case(
        "attention: a table of biases",
        lambda: {**_separate(), "table": nn.Parameter(torch.rand(9, 3)), "places": torch.arange(25).view(5, 5) % 9},
        _biased,
        [(2, 5, 7)],
        {"table:1": 3, "q.weight:0.1": (4, 3), "v.weight:0.1": (4, 3)},
        frozen={"table:0": "index (index) works along axis 0 of its self"},
    ),
    Case(
        "attention: keys repeated by repeat_interleave",
        _few_keys,
        _grouped(lambda y: y.repeat_interleave(2, 1)),
        [(2, 5, 7)],
        GROUPED,
    ),
    Case(
        "attention: keys repeated by expand",
        _few_keys,
        _grouped(lambda y: y[:, :, None].expand(-1, 3, 2, 5, 4).reshape(-1, 6, 5, 4)),
        [(2, 5, 7)],
        GROUPED,
    ),
    Case(
        "attention: keys repeated by repeat",
        _few_keys,
        _grouped(lambda y: y.unsqueeze(2).repeat(1, 1, 2, 1, 1).flatten(1, 2)),
        [(2, 5, 7)],
        GROUPED,
    ),
    frame(
        "attention: batches that meet",
        lambda p: attend(*[p.view(3, 2, 4).transpose(0, 1)[:, None]] * 3),
        (24,),
        dims={"p:0.0": 3, "p:0.1": 2, "p:0.2": (4, 2)},
        blended=["p:0.0"],
    ),
]
