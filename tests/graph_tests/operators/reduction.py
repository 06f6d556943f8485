"""Sums, means, norms and softmax over axes that can be cut."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ._base import Case, frame

HEADS = {"p:0.0": 3, "p:0.1": 4}
"""Heads whose width keeps one set of units: the operator works along the heads."""

P = {"p:0": 3, "p:1": 5, "p:2": 7}


def _reduced(name: str, operator: Callable[..., Any], blended: Sequence[str] = ()) -> Case:
    return frame(name, operator, (3, 5, 7), dims=P, blended=blended)


def _square(name: str, operator: Callable[..., Any], blended: Sequence[str] = ()) -> Case:
    return frame(f"{name}: square", operator, (4, 4, 4), dims={"p:0": 4, "p:1": 4, "p:2": 4}, blended=blended)


def _statistic(name: str) -> list[Case]:
    def along(dim: Any, **options: Any) -> Callable[..., Any]:
        # One unit that is left has no variance but this one.
        options |= {"correction": 0} if name in ("var", "std", "var_mean", "std_mean") else {}
        return lambda p: getattr(torch, name)(p, dim=dim, **options)

    return [
        _reduced(f"{name}: one axis", along(1), ["p:1"]),
        _reduced(f"{name}: two axes that stay", along((0, -1), keepdim=True), ["p:0", "p:2"]),
        _square(name, along(1), ["p:1"]),
    ]


CASES = [
    _reduced("sum: one axis", lambda p: p.sum(1)),
    _reduced("sum: two axes that stay", lambda p: p.sum((0, -1), keepdim=True)),
    _reduced("sum: all axes", lambda p: p.sum()),
    _square("sum", lambda p: p.sum(1)),
    _reduced("linalg_vector_norm: one axis", lambda p: p.norm(dim=1)),
    _reduced("linalg_vector_norm: an axis that stays", lambda p: torch.linalg.vector_norm(p, 3, -1, keepdim=True)),
    _reduced("linalg_vector_norm: the least", lambda p: torch.linalg.vector_norm(p, -float("inf"), 1), ["p:1"]),
    _square("linalg_vector_norm", lambda p: p.norm(dim=1)),
    _reduced("norm: one axis", lambda p: torch.ops.aten.norm.ScalarOpt_dim(p, 2, [1])),
    _reduced("norm: an axis that stays", lambda p: torch.ops.aten.norm.ScalarOpt_dim(p, 2, [-1], True)),
    _reduced("norm: all axes", lambda p: torch.ops.aten.norm.Scalar(p, 2)),
    _reduced("norm: the least", lambda p: torch.ops.aten.norm.ScalarOpt_dim(p, -1, [1]), ["p:1"]),
    _square("norm", lambda p: torch.ops.aten.norm.ScalarOpt_dim(p, 2, [1])),
    *(case for name in ("mean", "amax", "amin", "var", "std", "var_mean", "logsumexp") for case in _statistic(name)),
    *(case for name in ("nanmean", "std_mean") for case in _statistic(name)),
    *(
        case
        for name, operator, blended in (
            ("nansum", lambda p: p.nansum(1), []),
            ("count_nonzero", lambda p: torch.count_nonzero(p > 1, 1), []),
            ("any", lambda p: (p > 1).any(1), []),
            ("all", lambda p: (p > 0.7).all(1), ["p:1"]),
            ("prod", lambda p: p.prod(1), ["p:1"]),
        )
        for case in (_reduced(f"{name}: one axis", operator, blended), _square(name, operator, blended))
    ),
    _reduced("prod: an axis that stays", lambda p: p.prod(-1, keepdim=True), ["p:2"]),
    _reduced("nansum: all axes", lambda p: p.nansum()),
    frame(
        "mean: among five axes",
        lambda p: p.mean(1),
        (3, 5, 7, 2, 4),
        dims={"p:0": 3, "p:1": 5, "p:2": 7, "p:3": 2, "p:4": 4},
        blended=["p:1"],
    ),
    _reduced("mean: all axes", lambda p: p.mean(), ["p:0", "p:1", "p:2"]),
    _reduced("softmax", lambda p: p.softmax(1), ["p:1"]),
    _reduced("log_softmax", lambda p: p.log_softmax(-1), ["p:2"]),
    frame("softmax: along heads", lambda p: p.view(3, 4).softmax(0), (12,), dims=HEADS, blended=["p:0.0"]),
    frame("log_softmax: along heads", lambda p: p.view(3, 4).log_softmax(0), (12,), dims=HEADS, blended=["p:0.0"]),
    frame(
        "softmax: in each head",
        lambda p: p.view(3, 4).softmax(1),
        (12,),
        dims={"p:0.0": 3, "p:0.1": (4, 3)},
        blended=["p:0.1"],
    ),
    _square("softmax", lambda p: p.softmax(1), ["p:1"]),
    _square("log_softmax", lambda p: p.log_softmax(-1), ["p:2"]),
    _reduced("sum: to a length of one", lambda p: p / p.sum(1, keepdim=True)),
    *(
        frame(
            f"{name}: along heads, {len(shape)} axes",
            lambda p, name=name, shape=shape: getattr(p.view(shape), name)(0),
            (12,),
            dims=HEADS,
            blended=["p:0.0"],
        )
        for name in ("softmax", "log_softmax")
        for shape in ((3, 1, 4), (3, 1, 1, 4))
    ),
    frame("sum: the first of four", lambda p: p.sum(0), (3, 5, 7, 2), dims={"p:0": 3, "p:1": 5, "p:2": 7, "p:3": 2}),
]
