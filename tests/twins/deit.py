"""DeiT (Touvron et al., Training data-efficient image transformers, 2021), without the distillation token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

from .network import Cut, Network

Heads = tuple[int, int]
"""Number of heads, and the size of each."""


class Attention(nn.Module):
    """Self-attention with one layer for queries, keys and values.

    Args:
        embed: Width of the tokens.
        heads: Number and size.
        scale: Factor of the products of queries and keys; size ** -0.5 where left out.
    """

    def __init__(self, embed: int, heads: Heads, scale: float | None) -> None:
        super().__init__()
        self.heads, self.size = heads
        self.scale = scale
        self.qkv = nn.Linear(embed, 3 * self.heads * self.size)
        self.proj = nn.Linear(self.heads * self.size, embed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        out: torch.Tensor = self.proj(y.transpose(1, 2).reshape(batch, tokens, self.heads * self.size))
        return out


class Block(nn.Module):
    """Attention and a two-layer perceptron, each beside a path that goes past it; None where it was removed."""

    def __init__(self, embed: int, heads: Heads | None, hidden: int | None, scale: float | None) -> None:
        super().__init__()
        self.norm1 = None if heads is None else nn.LayerNorm(embed, eps=1e-6)
        self.attn = None if heads is None else Attention(embed, heads, scale)
        self.norm2 = None if hidden is None else nn.LayerNorm(embed, eps=1e-6)
        self.mlp = None if hidden is None else perceptron(embed, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.norm1 is not None and self.attn is not None:
            x = x + self.attn(self.norm1(x))
        if self.norm2 is not None and self.mlp is not None:
            x = x + self.mlp(self.norm2(x))
        return x


def perceptron(embed: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(embed, hidden), nn.GELU(), nn.Linear(hidden, embed))


class DeiT(Network):
    """Patches and a class token with learned positions, blocks, and a head that reads the class token.

    Args:
        embed: Width of the tokens.
        heads: Number and size of each block's heads; None where the attention was removed.
        hidden: Width of each block's perceptron; None where it was removed.
        image: Pixels on a side.
        patch: Pixels on a side.
        classes: Width of the output.
        scale: Of all attentions; see `Attention`.
    """

    def __init__(
        self,
        embed: int = 24,
        heads: Sequence[Heads | None] = ((4, 6), (3, 6)),
        hidden: Sequence[int | None] = (48, 40),
        image: int = 32,
        patch: int = 8,
        classes: int = 5,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.whole, self.image, self.patch, self.classes, self.scale = heads, image, patch, classes, scale
        self.embed = nn.Conv2d(3, embed, patch, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + (image // patch) ** 2, embed))
        self.blocks = nn.ModuleList(Block(embed, h, w, scale) for h, w in zip(heads, hidden, strict=True))
        self.norm = nn.LayerNorm(embed, eps=1e-6)
        self.head = nn.Linear(embed, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for block in self.blocks:
            x = block(x)
        out: torch.Tensor = self.head(self.norm(x)[:, 0])
        return out

    def smaller(self, cut: Cut) -> Self:
        # The scale stays that of the unpruned network, also where heads were made smaller.
        size = next(h[1] for h in self.whole if h is not None)
        heads = [self._heads(cut, f"blocks.{i}.attn.qkv", size) for i in range(len(self.whole))]
        hidden = [cut.hidden(f"blocks.{i}.mlp.0") for i in range(len(self.whole))]
        scale = size**-0.5 if self.scale is None else self.scale
        return type(self)(cut.out("embed"), heads, hidden, self.image, self.patch, self.classes, scale)

    @staticmethod
    def _heads(cut: Cut, path: str, whole: int) -> Heads | None:
        if not cut.has(path):
            return None
        size = cut.head_size(path, whole)
        return cut.out(path) // (3 * size), size


def deit_tiny() -> DeiT:
    return DeiT(192, [(3, 64)] * 12, [768] * 12, 224, 16, 1000)
