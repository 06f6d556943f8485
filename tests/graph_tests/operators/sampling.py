"""Grids, bags, the reverse of pooling, and rounding to steps."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._base import Case, conv, frame

IDS = torch.tensor([[0, 3, 1], [4, 2, 10]])
OFFSETS = torch.tensor([0, 2])
ZEROS = torch.zeros(6, dtype=torch.int32)


def _grid(p: Tensor, q: Tensor) -> Tensor:
    return F.grid_sample(p, q - 1, align_corners=False)


def _pooled(count: int) -> Any:
    def run(p: Tensor) -> Tensor:
        found = getattr(F, f"max_pool{count}d")(p, 2, return_indices=True)
        out: Tensor = getattr(F, f"max_unpool{count}d")(*found, 2)
        return out

    return run


def _bag(mode: str, **options: Any) -> Any:
    return lambda p, ids: F.embedding_bag(ids, p, mode=mode, **options)


CASES = [
    frame(
        "grid_sampler: two axes of space",
        _grid,
        (3, 6, 4, 5),
        (3, 7, 8, 2),
        dims={"p:0": 3, "p:1": 6, "q:1": 7, "q:2": 8},
        frozen={"p:2": "axis 2 of its input", "p:3": "axis 3 of its input", "q:3": "axis 3 of its grid"},
    ),
    frame("grid_sampler: square", _grid, (3, 3, 3, 3), (3, 3, 3, 2), dims={"p:0": 3, "p:1": 3, "q:1": 3, "q:2": 3}),
    frame(
        "grid_sampler: three axes of space",
        _grid,
        (3, 6, 4, 5, 2),
        (3, 7, 8, 2, 3),
        dims={"p:0": 3, "p:1": 6, "q:1": 7, "q:2": 8, "q:3": 2},
    ),
    frame(
        "grid_sampler_2d",
        lambda p, q: torch.ops.aten.grid_sampler_2d(p, q - 1, 0, 0, False),
        (3, 6, 4, 5),
        (3, 7, 8, 2),
        dims={"p:0": 3, "p:1": 6, "q:1": 7, "q:2": 8},
    ),
    frame(
        "grid_sampler_2d: square",
        lambda p, q: torch.ops.aten.grid_sampler_2d(p, q - 1, 0, 0, False),
        (3, 3, 3, 3),
        (3, 3, 3, 2),
        dims={"p:0": 3, "p:1": 3, "q:1": 3, "q:2": 3},
    ),
    frame(
        "grid_sampler_3d",
        lambda p, q: torch.ops.aten.grid_sampler_3d(p, q - 1, 0, 0, False),
        (3, 6, 4, 5, 2),
        (3, 7, 8, 2, 3),
        dims={"p:0": 3, "p:1": 6, "q:1": 7, "q:2": 8, "q:3": 2},
    ),
    frame(
        "grid_sampler_3d: square",
        lambda p, q: torch.ops.aten.grid_sampler_3d(p, q - 1, 0, 0, False),
        (3, 3, 3, 3, 3),
        (3, 3, 3, 3, 3),
        dims={"p:0": 3, "p:1": 3, "q:1": 3, "q:2": 3, "q:3": 3},
    ),
    frame(
        "affine_grid_generator",
        lambda p: F.affine_grid(p, [3, 1, 4, 5], align_corners=False),
        (3, 2, 3),
        dims={"p:0": 3},
        frozen={"p:1": "axis 1 of its theta", "p:2": "axis 2 of its theta", "u:1": "a spatial axis"},
    ),
    *(
        frame(
            f"max_unpool{n}d",
            _pooled(n),
            (3, 6, *shape),
            dims={"p:0": 3, "p:1": 6},
            frozen={"p:2": "axis 2 of its", "u:2": "a spatial axis"},
        )
        for n, shape in ((2, (4, 6)), (3, (4, 2, 6)))
    ),
    *(
        frame(f"max_unpool{n}d: square", _pooled(n), (4, 4, *shape), dims={"p:0": 4, "p:1": 4})
        for n, shape in ((2, (4, 4)), (3, (4, 4, 4)))
    ),
    Case(
        "max_unpool2d: a chain of one axis of space",
        lambda: {"a": nn.Conv1d(3, 6, 1), "b": nn.Conv1d(6, 2, 1)},
        lambda n, x: n.b(_pooled(1)(n.a(x))),
        [(2, 3, 8)],
        {"a.weight:0": 6},
    ),
    *(
        frame(
            f"embedding_bag: {mode}",
            _bag(mode),
            (11, 7),
            buffers={"ids": IDS},
            dims={"p:1": 7},
            frozen={"p:0": "axis 0 of its weight", "u:0": "counts bags"},
        )
        for mode in ("sum", "mean", "max")
    ),
    frame("embedding_bag: square", _bag("sum"), (11, 11), buffers={"ids": IDS}, dims={"p:1": 11}),
    frame(
        "embedding_bag: with weights",
        lambda p, q, ids: F.embedding_bag(ids, p, mode="sum", per_sample_weights=q),
        (11, 7),
        (2, 3),
        buffers={"ids": IDS},
        dims={"p:1": 7},
    ),
    *(
        frame(
            name,
            lambda p, ids, offsets, name=name: getattr(torch.ops.aten, name)(p.detach(), ids.view(-1), offsets)[0],
            (11, 7),
            buffers={"ids": IDS, "offsets": OFFSETS},
            dims={"p:1": 7},
        )
        for name in ("_embedding_bag", "_embedding_bag_forward_only")
    ),
    *(
        frame(
            f"{name}: numbers that are computed",
            lambda p, q, r, name=name: getattr(torch.ops.aten, name)(p.detach(), (q * 6).long(), (r * 0).long())[0],
            (11, 7),
            (6,),
            (2,),
            dims={"p:1": 7},
            frozen={"q:0": "axis 0 of its indices", "r:0": "axis 0 of its offsets"},
        )
        for name in ("_embedding_bag", "_embedding_bag_forward_only")
    ),
    frame(
        "embedding_bag: the sizes of the bags are read",
        lambda p, q, ids, offsets: (torch.ops.aten._embedding_bag(p.detach(), ids.view(-1), offsets)[2] + 1, q * 2),
        (11, 7),
        (3,),
        buffers={"ids": IDS, "offsets": OFFSETS},
        dims={"q:0": 3},
        unknown=["_embedding_bag"],
    ),
    Case(
        "embedding_bag: beside numbers",
        lambda: {"bag": nn.EmbeddingBag(20, 6), "a": nn.Linear(3, 6), "b": nn.Linear(6, 2)},
        lambda n, x: n.b(n.a(x) + n.bag(x.long().clamp(0, 19))),
        [(2, 3)],
        {"bag.weight:1": 6},
    ),
    Case(
        "grid_sampler: where channels say",
        lambda: {"a": conv(3, 6), "where": conv(6, 2), "b": conv(6, 2)},
        lambda n, x: n.b(F.grid_sample(n.a(x), n.where(n.a(x)).tanh().permute(0, 2, 3, 1), align_corners=False)),
        [(2, 3, 4, 4)],
        {"a.weight:0": 6},
    ),
    frame(
        "fake_quantize_per_tensor_affine",
        lambda p: torch.fake_quantize_per_tensor_affine(p, 0.01, 0, -128, 127),
        (3, 6),
        dims={"p:0": 3, "p:1": 6},
    ),
    frame(
        "fake_quantize_per_tensor_affine: steps in tensors",
        lambda p, scale, zeros: torch.fake_quantize_per_tensor_affine(p, scale, zeros[:1], -128, 127),
        (4, 4),
        buffers={"scale": torch.tensor([0.01]), "zeros": ZEROS},
        dims={"p:0": 4, "p:1": 4},
    ),
    frame(
        "fake_quantize_per_channel_affine",
        lambda p, q, zeros: torch.fake_quantize_per_channel_affine(p, (q / 100).detach(), zeros, 1, -128, 127),
        (3, 6, 5),
        (6,),
        buffers={"zeros": ZEROS},
        dims={"p:0": 3, "p:1": 6, "p:2": 5},
    ),
    frame(
        "fake_quantize_per_channel_affine: square",
        lambda p, q, zeros: torch.fake_quantize_per_channel_affine(p, (q / 100).detach(), zeros, 1, -128, 127),
        (6, 6, 6),
        (6,),
        buffers={"zeros": ZEROS},
        dims={"p:0": 6, "p:1": 6, "p:2": 6},
    ),
    frame(
        "_fake_quantize_learnable_per_tensor_affine",
        lambda p, q: torch.ops.aten._fake_quantize_learnable_per_tensor_affine(p, q / 100, q * 0, -128, 127),
        (4, 4),
        (1,),
        dims={"p:0": 4, "p:1": 4},
    ),
    frame(
        "_fake_quantize_learnable_per_channel_affine",
        lambda p, q, r: torch.ops.aten._fake_quantize_learnable_per_channel_affine(p, q / 100, r * 0, 1, -128, 127),
        (6, 6, 6),
        (6,),
        (6,),
        dims={"p:0": 6, "p:1": 6, "p:2": 6},
    ),
    *(
        frame(
            f"max_unpool{n}d: places of another tensor",
            lambda p, q, n=n: getattr(F, f"max_unpool{n}d")(
                q, getattr(F, f"max_pool{n}d")(p, 2, return_indices=True)[1], 2
            ),
            (3, 6, *(4,) * n),
            (3, 6, *(2,) * n),
            dims={"p:0": 3, "p:1": 6},
        )
        for n in (2, 3)
    ),
    frame(
        "embedding_bag: computed numbers",
        lambda p, q: F.embedding_bag(q.argsort(1), p, mode="sum"),
        (11, 7),
        (2, 3),
        dims={"p:1": 7},
    ),
]
