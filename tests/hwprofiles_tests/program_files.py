"""The network of `conv_file` as an exported program; calls carry the same telling names."""

from __future__ import annotations

import io
import json
from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hwprofiles import VALUES_FILE

CALLS = ("stem", "stem_active", "block", "joined", "joined_active", "pooled", "flat", "scores")


class Chain(nn.Module):
    """A convolution, its activation, a residual block, a pool and a classifier."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        shapes = {"stem": (width, 3, 3, 3), "stem_bias": (width,), "block": (width, width, 3, 3), "head": (width, 5)}
        for name, shape in {**shapes, "head_bias": (5,)}.items():
            value = rng.normal(size=shape) / (width if name == "block" else 1)
            content = np.ascontiguousarray(value.T if name == "head" else value)
            self.register_buffer(name, torch.from_numpy(content.astype(np.float32)))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        stem = functional.conv2d(image, self.stem, self.stem_bias, padding=1).relu()  # type: ignore[arg-type]
        block = (functional.conv2d(stem, self.block, padding=1) + stem).relu()  # type: ignore[arg-type]
        flat = functional.adaptive_avg_pool2d(block, 1).flatten(1)
        return functional.linear(flat, self.head, self.head_bias)  # type: ignore[arg-type]


@cache
def program_file(width: int = 8, *, batch: int | str = 1, seed: int = 0) -> bytes:
    """Return the content of the file; a text as batch leaves it open."""
    chain = Chain(width, seed)
    shapes = {"image": {0: torch.export.Dim.DYNAMIC}} if isinstance(batch, str) else None
    example = torch.zeros(2 if isinstance(batch, str) else batch, 3, 8, 8)
    program = torch.export.export(chain, (example,), dynamic_shapes=shapes)
    calls = [node.name for node in program.graph.nodes if node.op == "call_function"]
    names = dict(zip(calls, CALLS, strict=True))
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={VALUES_FILE: json.dumps(names)})
    return buffer.getvalue()
