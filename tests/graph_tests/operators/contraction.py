"""Products of linear algebra in all their spellings, and distances."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._base import Case, frame

MEET = {"p:0.0": 3, "p:0.1": 4}


def _addbmm(x: Tensor, y: Tensor) -> Tensor:
    return torch.addbmm(x.new_zeros(1, 1), x, y)


PRODUCTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "tensordot": lambda x, y: torch.tensordot(x, y, 1),
    "inner": lambda x, y: torch.inner(x, y.t()),
    "cdist": lambda x, y: torch.cdist(x, y.t()),
    "addbmm": lambda x, y: _addbmm(x[None], y[None]),
    "addbmm over the batch": lambda x, y: _addbmm(x.t()[:, :, None], y[:, None]),
    "linalg_multi_dot": lambda x, y: torch.linalg.multi_dot([x, y]),
    "chain_matmul": lambda x, y: torch.ops.aten.chain_matmul([x, y]),
    "chain_matmul, the last of three": lambda x, y: torch.ops.aten.chain_matmul([x @ x.t(), x, y]),
    "chain_matmul of three": lambda x, y: torch.ops.aten.chain_matmul([x, y, y.t() @ y]),
    "linalg_multi_dot, the last of three": lambda x, y: torch.linalg.multi_dot([x @ x.t(), x, y]),
    "linalg_multi_dot of three": lambda x, y: torch.linalg.multi_dot([x, y, y.t() @ y]),
    "bilinear in the first": lambda x, y: F.bilinear(x, x.sum(1, keepdim=True), y.t()[:, :, None]),
    "bilinear in the second": lambda x, y: F.bilinear(x.sum(1, keepdim=True), x, y.t()[:, None]),
}
"""Ways to multiply two matrices."""


def _meeting(name: str) -> list[Case]:
    """Let units meet those that another label has: those contracted, those of the rows and those of the columns."""
    multiply = PRODUCTS[name]

    def inside(p: Tensor, q: Tensor) -> Tensor:
        y = multiply(p.view(3, 4), q)
        return y + y.t()

    return [
        frame(f"{name}: units that meet", inside, (12,), (4, 3), dims=MEET),
        frame(f"{name}: rows that meet", lambda p, q: multiply(p.view(3, 4).t(), q + q.t()), (12,), (3, 3), dims=MEET),
        frame(f"{name}: columns that meet", lambda p, q: multiply(q + q.t(), p.view(3, 4)), (12,), (3, 3), dims=MEET),
    ]


def _wide(p: Tensor) -> Tensor:
    """Read 24 as 4 by 2 by 3, where the 3 label the others."""
    return p.view(3, 4, 2).permute(1, 2, 0)


LABELLED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "tensordot: the first": lambda p, q: torch.tensordot(_wide(p), q + q.t(), 1),
    "tensordot: the second": lambda p, q: torch.tensordot(q + q.t(), p.view(3, 4, 2), 1),
    "tensordot: the second of three axes": lambda p, q: torch.tensordot((q + q.t())[None], p.view(3, 4, 2), 1),
    "inner: the first": lambda p, q: torch.inner(_wide(p), q + q.t()),
    "inner: the second": lambda p, q: torch.inner(q + q.t(), _wide(p)),
    "cdist: the first": lambda p, q: torch.cdist(_wide(p), q + q.t()),
    "cdist: the second": lambda p, q: torch.cdist(q + q.t(), _wide(p)),
    "cdist: the second of four axes": lambda p, q: torch.cdist((q + q.t())[None, None], _wide(p)[None]),
    "bilinear: the first": lambda p, q: F.bilinear(_wide(p), _wide(p).sum(-1, keepdim=True), (q + q.t())[:, :, None]),
    "bilinear: the second": lambda p, q: F.bilinear(_wide(p).sum(-1, keepdim=True), _wide(p), (q + q.t())[:, None]),
}
"""Products of what has three axes with a square."""


def _twice(p: Tensor, q: Tensor) -> Tensor:
    """Give a bilinear map the same rows twice, and add them to what comes out."""
    rows = p.view(3, 4).t()
    return F.bilinear(rows, rows, q) + rows


CASES = [
    frame("bilinear: rows that meet twice", _twice, (12,), (3, 3, 3), dims=MEET),
    frame(
        "bilinear: outputs that meet",
        lambda p, q: F.bilinear(
            (q + q.t())[None], (q + q.t())[None].sum(-1, keepdim=True), p.view(3, 4).t()[:, :, None]
        ),
        (12,),
        (3, 3),
        dims=MEET,
    ),
    *(
        frame(f"{name}, whose axes meet", multiply, (24,), (3, 3), dims={"p:0.0": 3, "p:0.1": 4, "p:0.2": (2, 4)})
        for name, multiply in LABELLED.items()
    ),
    *(case for name in PRODUCTS for case in _meeting(name)),
    frame(
        "tensordot: one axis",
        lambda p, q: torch.tensordot(p, q, 1),
        (3, 5, 4),
        (4, 6, 2),
        dims={"p:0": 3, "p:1": 5, "p:2": 4, "q:1": 6, "q:2": 2},
    ),
    frame(
        "tensordot: two axes, crossed",
        lambda p, q: torch.tensordot(p, q, ([0, -1], [2, 0])),
        (3, 5, 4),
        (4, 6, 3),
        dims={"p:0": 3, "p:1": 5, "p:2": 4, "q:1": 6},
    ),
    frame(
        "tensordot: square",
        lambda p, q: torch.tensordot(p, q, ([1, 0], [0, 2])),
        (4, 4, 4),
        (4, 4, 4),
        dims={"p:0": 4, "p:1": 4, "p:2": 4, "q:1": 4},
    ),
    frame("tensordot: all axes", lambda p, q: torch.tensordot(p, q, 2), (3, 4), (3, 4), dims={"p:0": 3, "p:1": 4}),
    frame("tensordot: none", lambda p, q: torch.tensordot(p, q, 0), (3, 4), (5,), dims={"p:0": 3, "p:1": 4, "q:0": 5}),
    frame("inner", torch.inner, (3, 5, 4), (6, 4), dims={"p:0": 3, "p:1": 5, "p:2": 4, "q:0": 6}),
    frame("inner: vectors", torch.inner, (4,), (4,), dims={"p:0": 4}),
    frame("inner: square", torch.inner, (4, 4), (4, 4), dims={"p:0": 4, "p:1": 4, "q:0": 4}),
    frame("vdot", torch.vdot, (4,), (4,), dims={"p:0": 4}),
    *(frame(name, getattr(torch, name), (3,), (5,), dims={"p:0": 3, "q:0": 5}) for name in ("outer", "ger")),
    frame("outer: square", torch.outer, (4,), (4,), dims={"p:0": 4, "q:0": 4}),
    frame("ger: square", torch.ger, (4,), (4,), dims={"p:0": 4, "q:0": 4}),
    frame("addr", torch.addr, (3, 5), (3,), (5,), dims={"p:0": 3, "p:1": 5}),
    frame("addr: a row", torch.addr, (5,), (3,), (5,), dims={"p:0": 5, "q:0": 3}),
    frame("addr: square", torch.addr, (4, 4), (4,), (4,), dims={"p:0": 4, "p:1": 4}),
    frame("addmv", torch.addmv, (3,), (3, 5), (5,), dims={"p:0": 3, "q:1": 5}),
    frame("addmv: square", torch.addmv, (4,), (4, 4), (4,), dims={"p:0": 4, "q:1": 4}),
    frame("addmv: one number", torch.addmv, (1,), (3, 5), (5,), dims={"q:0": 3, "q:1": 5}),
    frame("addbmm", torch.addbmm, (3, 5), (2, 3, 4), (2, 4, 5), dims={"p:0": 3, "p:1": 5, "q:0": 2, "q:2": 4}),
    frame("addbmm: square", torch.addbmm, (4, 4), (4, 4, 4), (4, 4, 4), dims={"p:0": 4, "p:1": 4, "q:0": 4, "q:2": 4}),
    frame(
        "bilinear",
        F.bilinear,
        (2, 3, 4),
        (2, 3, 5),
        (6, 4, 5),
        (6,),
        dims={"p:0": 2, "p:1": 3, "p:2": 4, "q:2": 5, "r:0": 6},
    ),
    frame(
        "bilinear: square, no bias",
        F.bilinear,
        (4, 4),
        (4, 4),
        (4, 4, 4),
        dims={"p:0": 4, "p:1": 4, "q:1": 4, "r:0": 4},
    ),
    Case(
        "bilinear: a chain",
        lambda: {"a": nn.Linear(3, 5), "b": nn.Linear(3, 6), "c": nn.Bilinear(5, 6, 7), "d": nn.Linear(7, 2)},
        lambda n, x: n.d(n.c(n.a(x).relu(), n.b(x).relu()).relu()),
        [(2, 3)],
        {"a.weight:0": 5, "b.weight:0": 6, "c.weight:0": 7},
    ),
    *(
        frame(
            f"{name}: three",
            lambda p, q, r, f=f: f(p, q, r),
            (3, 4),
            (4, 5),
            (5, 6),
            dims={"p:0": 3, "p:1": 4, "q:1": 5, "r:1": 6},
        )
        for name, f in (
            ("linalg_multi_dot", lambda *m: torch.linalg.multi_dot(m)),
            ("chain_matmul", lambda *m: torch.ops.aten.chain_matmul(list(m))),
        )
    ),
    frame(
        "linalg_multi_dot: vectors",
        lambda p, q, r: torch.linalg.multi_dot([p, q, r]),
        (4,),
        (4, 5),
        (5,),
        dims={"p:0": 4, "q:1": 5},
    ),
    *(
        frame(f"{name}: square", lambda p, q, f=f: f(p, q), (4, 4), (4, 4), dims={"p:0": 4, "p:1": 4, "q:1": 4})
        for name, f in (
            ("linalg_multi_dot", lambda *m: torch.linalg.multi_dot(m)),
            ("chain_matmul", lambda *m: torch.ops.aten.chain_matmul(list(m))),
        )
    ),
    frame("cdist", torch.cdist, (2, 3, 4), (2, 5, 4), dims={"p:0": 2, "p:1": 3, "p:2": 4, "q:1": 5}),
    frame(
        "cdist: by coordinates, broadcast",
        lambda p, q: torch.cdist(p, q, p=1.0),
        (2, 1, 3, 4),
        (6, 5, 4),
        dims={"p:0": 2, "p:2": 3, "p:3": 4, "q:0": 6, "q:1": 5},
    ),
    frame("cdist: square", torch.cdist, (4, 4), (4, 4), dims={"p:0": 4, "p:1": 4, "q:0": 4}),
    frame(
        "cosine_similarity",
        lambda p, q: F.cosine_similarity(p, q, dim=1),
        (3, 5, 7),
        (3, 5, 7),
        dims={"p:0": 3, "p:1": 5, "p:2": 7},
    ),
    frame(
        "cosine_similarity: broadcast",
        lambda p, q: F.cosine_similarity(p, q, dim=-1),
        (3, 1, 7),
        (5, 7),
        dims={"p:0": 3, "p:2": 7, "q:0": 5},
    ),
    frame(
        "cosine_similarity: square",
        lambda p, q: F.cosine_similarity(p, q, dim=0),
        (4, 4),
        (4, 4),
        dims={"p:0": 4, "p:1": 4},
    ),
    frame(
        "cosine_similarity: one for all",
        lambda p, q: F.cosine_similarity(p - 1, q, dim=1),
        (3, 5),
        (3, 1),
        dims={"p:0": 3, "p:1": 5},
        blended=["p:1"],
    ),
    frame("linalg_vecdot", torch.linalg.vecdot, (3, 5), (5,), dims={"p:0": 3, "p:1": 5}),
    frame(
        "linalg_vecdot: square",
        lambda p, q: torch.linalg.vecdot(p, q, dim=0),
        (4, 4),
        (4, 4),
        dims={"p:0": 4, "p:1": 4},
    ),
    frame("pairwise_distance", F.pairwise_distance, (3, 5), (3, 5), dims={"p:0": 3, "p:1": 5}, blended=["p:1"]),
    frame(
        "pairwise_distance: an axis that stays",
        lambda p, q: F.pairwise_distance(p, q, keepdim=True),
        (3, 5),
        (5,),
        dims={"p:0": 3, "p:1": 5},
        blended=["p:1"],
    ),
    frame("pairwise_distance: square", F.pairwise_distance, (4, 4), (4, 4), dims={"p:0": 4, "p:1": 4}, blended=["p:1"]),
]
