"""Matrix products in all ranks, Einstein's notation, embeddings."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._base import Case, frame

IDS = torch.tensor([[0, 3, 1], [4, 2, 10]])


def _meeting(multiply: Callable[..., Tensor], *, batched: bool = False) -> Callable[..., Tensor]:
    """Contract the 4 while 3 labels the rows and the columns: the 4 meet themselves under different ones of the 3."""

    def run(p: Tensor, q: Tensor) -> Tensor:
        rows = p.reshape(1, 3, 4) if batched else p.reshape(3, 4)
        y = multiply(rows, q)
        return y + y.transpose(-1, -2)

    return run


def _meeting_in(equation: str) -> Callable[..., Tensor]:
    """Do the same in Einstein's notation; x, y and z have size 1."""

    def run(p: Tensor, q: Tensor) -> Tensor:
        rows, columns = p.reshape(3, 4), q
        if equation.startswith("b"):
            rows, columns = rows.t(), columns.t()
        rows = rows.reshape(*[1] * (equation.index(",") - 2), *rows.shape)
        y = torch.einsum(equation, rows, columns)
        return y + y.transpose(0, 1)

    return run


def _beside(multiply: Callable[..., Tensor], *, rows: bool) -> Callable[..., Tensor]:
    """Contract the 3, beside which the 4 lie, with 3 that stay: the 4 meet those of other ones of the 3."""

    def run(p: Tensor, q: Tensor) -> Tensor:
        square, wide = q + q.t(), p.view(3, 4)
        return multiply(wide.t(), square) if rows else multiply(square, wide)

    return run


PRODUCTS: dict[str, Callable[..., Tensor]] = {
    "bmm": lambda x, y: torch.bmm(x[None], y[None]),
    "addmm": lambda x, y: torch.addmm(x.new_ones(1, 1), x, y),
    "baddbmm": lambda x, y: torch.baddbmm(x.new_ones(1, 1, 1), x[None], y[None]),
}

CASES = [
    frame("linear", F.linear, (3, 5, 7), (4, 7), (4,), dims={"p:0": 3, "p:1": 5, "p:2": 7, "q:0": 4}),
    frame("linear: a vector, no bias", F.linear, (7,), (4, 7), dims={"p:0": 7, "q:0": 4}),
    frame("linear: square", F.linear, (4, 4), (4, 4), (4,), dims={"p:0": 4, "p:1": 4, "q:0": 4}),
    frame("linear: units that meet", _meeting(F.linear), (12,), (3, 4), dims={"p:0.0": 3, "p:0.1": 4}),
    frame(
        "linear: rows that meet",
        lambda p, q: F.linear(p.view(3, 4, 2).permute(1, 2, 0), q) + p.view(3, 4, 2).permute(1, 2, 0),
        (24,),
        (3, 3),
        dims={"p:0.0": 3, "p:0.1": 4, "p:0.2": (2, 4)},
    ),
    frame(
        "linear: outputs that meet",
        lambda p, q: F.linear(q + q.t(), p.view(3, 4).t()),
        (12,),
        (3, 3),
        dims={"p:0.0": 3, "p:0.1": 4},
    ),
    Case(
        "linear: a chain",
        lambda: {"a": nn.Linear(3, 5), "b": nn.Linear(5, 7), "c": nn.Linear(7, 2)},
        lambda n, x: n.c(n.b(n.a(x))),
        [(2, 3)],
        {"a.weight:0": 5, "b.weight:0": 7},
    ),
    frame("matmul: 1 by 1", torch.matmul, (4,), (4,), dims={"p:0": 4}),
    frame("matmul: 1 by 2", torch.matmul, (4,), (4, 5), dims={"p:0": 4, "q:1": 5}),
    frame("matmul: 2 by 1", torch.matmul, (3, 4), (4,), dims={"p:0": 3, "p:1": 4}),
    frame("matmul: 2 by 2", torch.matmul, (3, 4), (4, 5), dims={"p:0": 3, "p:1": 4, "q:1": 5}),
    frame("matmul: square", torch.matmul, (4, 4), (4, 4), dims={"p:0": 4, "p:1": 4, "q:1": 4}),
    frame("matmul: 1 by 3", torch.matmul, (4,), (2, 4, 5), dims={"p:0": 4, "q:0": 2, "q:2": 5}),
    frame("matmul: 3 by 1", torch.matmul, (2, 3, 4), (4,), dims={"p:0": 2, "p:1": 3, "p:2": 4}),
    frame("matmul: 3 by 2", torch.matmul, (2, 3, 4), (4, 5), dims={"p:0": 2, "p:1": 3, "p:2": 4, "q:1": 5}),
    frame("matmul: 3 by 3", torch.matmul, (2, 3, 4), (2, 4, 5), dims={"p:0": 2, "p:1": 3, "p:2": 4, "q:2": 5}),
    frame(
        "matmul: 4 by 4, broadcast",
        torch.matmul,
        (2, 1, 3, 4),
        (1, 6, 4, 5),
        dims={"p:0": 2, "p:2": 3, "p:3": 4, "q:1": 6, "q:3": 5},
    ),
    frame(
        "matmul: 4 by 3",
        torch.matmul,
        (2, 6, 3, 4),
        (6, 4, 5),
        dims={"p:0": 2, "p:1": 6, "p:2": 3, "p:3": 4, "q:2": 5},
    ),
    frame("matmul: units that meet", _meeting(torch.matmul), (12,), (4, 3), dims={"p:0.0": 3, "p:0.1": 4}),
    *(
        frame(
            f"{name}: columns that meet",
            lambda p, q, name=name: getattr(torch, name)(q + q.t(), p.view(3, 4)),
            (12,),
            (3, 3),
            dims={"p:0.0": 3, "p:0.1": 4},
        )
        for name in ("matmul", "mm")
    ),
    *(
        frame(
            f"{name}: rows that meet",
            lambda p, q, name=name: getattr(torch, name)(p.view(3, 4).t(), q + q.t()),
            (12,),
            (3, 3),
            dims={"p:0.0": 3, "p:0.1": 4},
        )
        for name in ("matmul", "mm")
    ),
    frame("mm", torch.mm, (3, 4), (4, 5), dims={"p:0": 3, "p:1": 4, "q:1": 5}),
    frame("mm: square", torch.mm, (4, 4), (4, 4), dims={"p:0": 4, "p:1": 4, "q:1": 4}),
    frame("mm: units that meet", _meeting(torch.mm), (12,), (4, 3), dims={"p:0.0": 3, "p:0.1": 4}),
    frame("bmm", torch.bmm, (2, 3, 4), (2, 4, 5), dims={"p:0": 2, "p:1": 3, "p:2": 4, "q:2": 5}),
    frame("bmm: square", torch.bmm, (3, 3, 3), (3, 3, 3), dims={"p:0": 3, "p:1": 3, "p:2": 3, "q:2": 3}),
    frame("bmm: units that meet", _meeting(torch.bmm, batched=True), (12,), (1, 4, 3), dims={"p:0.0": 3, "p:0.1": 4}),
    frame("mv", torch.mv, (3, 4), (4,), dims={"p:0": 3, "p:1": 4}),
    frame("dot", torch.dot, (4,), (4,), dims={"p:0": 4}),
    frame("addmm: a row", torch.addmm, (5,), (3, 4), (4, 5), dims={"p:0": 5, "q:0": 3, "q:1": 4}),
    frame("addmm: a column", torch.addmm, (3, 1), (3, 4), (4, 5), dims={"p:0": 3, "q:1": 4, "r:1": 5}),
    frame("addmm: a matrix", torch.addmm, (4, 4), (4, 4), (4, 4), dims={"p:0": 4, "p:1": 4, "q:1": 4}),
    frame(
        "addmm: units that meet",
        lambda p, q, r: _meeting(lambda x, y: torch.addmm(r, x, y))(p, q),
        (12,),
        (4, 3),
        (1, 1),
        dims={"p:0.0": 3, "p:0.1": 4},
    ),
    frame(
        "baddbmm: a matrix", torch.baddbmm, (3, 5), (2, 3, 4), (2, 4, 5), dims={"p:0": 3, "p:1": 5, "q:0": 2, "q:2": 4}
    ),
    frame(
        "baddbmm: all axes",
        torch.baddbmm,
        (2, 3, 5),
        (2, 3, 4),
        (2, 4, 5),
        dims={"p:0": 2, "p:1": 3, "p:2": 5, "q:2": 4},
    ),
    frame(
        "baddbmm: square", torch.baddbmm, (3, 3, 3), (3, 3, 3), (3, 3, 3), dims={"p:0": 3, "p:1": 3, "p:2": 3, "q:2": 3}
    ),
    frame(
        "baddbmm: units that meet",
        lambda p, q, r: _meeting(lambda x, y: torch.baddbmm(r, x, y), batched=True)(p, q),
        (12,),
        (1, 4, 3),
        (1, 1, 1),
        dims={"p:0.0": 3, "p:0.1": 4},
    ),
    frame(
        "einsum: a matrix product",
        lambda p, q: torch.einsum("ab,bc->ac", p, q),
        (3, 4),
        (4, 5),
        dims={"p:0": 3, "p:1": 4, "q:1": 5},
    ),
    frame(
        "einsum: square, transposed",
        lambda p, q: torch.einsum("ab,bc->ca", p, q),
        (4, 4),
        (4, 4),
        dims={"p:0": 4, "p:1": 4, "q:1": 4},
    ),
    frame(
        "einsum: no arrow",
        lambda p, q: torch.einsum("cb,ba", p, q),
        (3, 4),
        (4, 5),
        dims={"p:0": 3, "p:1": 4, "q:1": 5},
    ),
    frame(
        "einsum: no arrow, square",
        lambda p, q: torch.einsum("cb,ba", p, q),
        (4, 4),
        (4, 4),
        dims={"p:0": 4, "p:1": 4, "q:1": 4},
    ),
    frame(
        "einsum: an ellipsis",
        lambda p, q: torch.einsum("...a,ab->b...", p, q),
        (2, 3, 4),
        (4, 5),
        dims={"p:0": 2, "p:1": 3, "p:2": 4, "q:1": 5},
    ),
    frame(
        "einsum: an ellipsis, no arrow",
        lambda p, q: torch.einsum("b...,...ca", p, q),
        (5, 3, 3),
        (3, 4, 2),
        dims={"p:0": 5, "p:1": 3, "p:2": 3, "q:1": 4, "q:2": 2},
    ),
    frame(
        "einsum: three operands, a letter that stands once",
        lambda p, q, r: torch.einsum("ab,bc,bd->ac", p, q, r),
        (3, 4),
        (4, 5),
        (4, 6),
        dims={"p:0": 3, "p:1": 4, "q:1": 5, "r:1": 6},
    ),
    frame(
        "einsum: a letter that is repeated",
        lambda p, q: torch.einsum("ab,ab->ab", p, q),
        (3, 1),
        (3, 4),
        dims={"p:0": 3, "q:1": 4},
    ),
    frame(
        "einsum: another letter that is repeated",
        lambda p, q: torch.einsum("ab,ab->ab", p, q),
        (3, 4),
        (1, 4),
        dims={"p:0": 3, "p:1": 4},
    ),
    *(
        frame(f"einsum: units that meet, {e}", _meeting_in(e), (12,), (3, 4), dims={"p:0.0": 3, "p:0.1": 4})
        for e in ("ab,cb->ac", "ba,bc->ac", "xab,cb->ac", "xyab,cb->ac", "xyzab,cb->ac")
    ),
    frame(
        "einsum: units that meet and stay",
        lambda p, q: torch.einsum("rka,cka->ra", q * p.view(3, 2, 4), p.view(3, 2, 4)),
        (24,),
        (1,),
        dims={"p:0.0": 3, "p:0.1": 2, "p:0.2": 4},
    ),
    frame(
        "einsum: columns that meet",
        lambda p, q: torch.einsum("ab,bc->ac", q + q.t(), p.view(3, 4)),
        (12,),
        (3, 3),
        dims={"p:0.0": 3, "p:0.1": 4},
    ),
    frame(
        "einsum: units that stay apart",
        lambda p, q: torch.einsum("ab,ab->a", p.reshape(3, 4), q),
        (12,),
        (3, 4),
        dims={"p:0.0": 3, "p:0.1": (4, 3)},
    ),
    frame(
        "einsum: a diagonal",
        lambda p, q, r: (torch.einsum("aab,bc->c", p, q), r),
        (3, 3, 4),
        (4, 5),
        (7,),
        dims={"r:0": 7},
        frozen={"p:2": "einsum (einsum) has no rule", "q:1": "einsum (einsum) has no rule"},
        unknown=["einsum"],
    ),
    frame(
        "embedding",
        lambda p, ids: F.embedding(ids, p),
        (11, 5),
        buffers={"ids": IDS},
        dims={"p:1": 5, "u:0": 2, "u:1": 3},
        frozen={"p:0": "embedding (embedding) works along axis 0 of its weight"},
    ),
    Case(
        "embedding: a tied head",
        lambda: {"table": nn.Embedding(11, 6), "hidden": nn.Linear(6, 5), "out": nn.Linear(5, 6)},
        lambda n, x: F.linear(n.out(n.hidden(n.table((x.sigmoid() * 11).to(torch.int64)))), n.table.weight),
        [(2, 3)],
        {"table.weight:1": 6, "hidden.weight:0": 5},
        frozen={"table.weight:0": "embedding"},
    ),
    *(
        frame(f"{name}: columns that meet", _beside(multiply, rows=False), (12,), (3, 3), dims={"p:0.0": 3, "p:0.1": 4})
        for name, multiply in PRODUCTS.items()
    ),
    *(
        frame(f"{name}: rows that meet", _beside(multiply, rows=True), (12,), (3, 3), dims={"p:0.0": 3, "p:0.1": 4})
        for name, multiply in PRODUCTS.items()
    ),
    frame(
        "einsum: columns that meet, xyzab,bc->ac",
        lambda p, q: torch.einsum("xyzab,bc->ac", (q + q.t()).reshape(1, 1, 1, 3, 3), p.view(3, 4)),
        (12,),
        (3, 3),
        dims={"p:0.0": 3, "p:0.1": 4},
    ),
]
