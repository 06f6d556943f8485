"""Swin Transformer (Liu et al., Swin Transformer: hierarchical vision transformer using shifted windows, 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import nn

from .deit import Heads, perceptron
from .network import Cut, Network


def _windows(x: torch.Tensor, window: int) -> torch.Tensor:
    """Take a map (n, h, w, c) apart into windows (n * number of windows, window ** 2, c)."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // window, window, width // window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, channels)


def _whole(windows: torch.Tensor, window: int, side: int) -> torch.Tensor:
    """Put windows together again as a square map (n, side, side, c)."""
    count, channels = side // window, windows.shape[-1]
    x = windows.view(-1, count, count, window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side, side, channels)


def _relative_positions(window: int) -> torch.Tensor:
    """Return for each pair of positions in a window the row of the table that holds its bias."""
    steps = torch.arange(window)
    places = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).flatten(1)
    apart = places[:, :, None] - places[:, None, :] + window - 1
    return apart[0] * (2 * window - 1) + apart[1]


def _mask(side: int, window: int, shift: int) -> torch.Tensor:
    """Return what keeps apart, in a shifted window, positions that are no neighbours in the image."""
    bounds = torch.tensor([side - window, side - shift])
    region = torch.bucketize(torch.arange(side), bounds, right=True)
    regions = _windows((3 * region[:, None] + region)[None, :, :, None], window)[:, :, 0]
    return (regions[:, None, :] != regions[:, :, None]) * -100.0


class Attention(nn.Module):
    """Self-attention within windows, with a learned bias for each relative position.

    Args:
        embed: Width of the tokens.
        heads: Number and size.
        window: Positions on a side.
        scale: Factor of the products of queries and keys; size ** -0.5 where left out.
    """

    table_index: torch.Tensor

    def __init__(self, embed: int, heads: Heads, window: int, scale: float | None) -> None:
        super().__init__()
        self.heads, self.size = heads
        self.scale = self.size**-0.5 if scale is None else scale
        self.table = nn.Parameter(0.02 * torch.randn((2 * window - 1) ** 2, self.heads))
        self.register_buffer("table_index", _relative_positions(window))
        self.qkv = nn.Linear(embed, 3 * self.heads * self.size)
        self.proj = nn.Linear(self.heads * self.size, embed)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = (q * self.scale) @ k.transpose(-2, -1)
        bias = self.table[self.table_index.view(-1)].view(tokens, tokens, -1)
        scores = scores + bias.permute(2, 0, 1).contiguous().unsqueeze(0)
        if mask is not None:
            scores = scores.view(-1, mask.shape[0], self.heads, tokens, tokens) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, self.heads, tokens, tokens)
        y = scores.softmax(-1) @ v
        out: torch.Tensor = self.proj(y.transpose(1, 2).reshape(batch, tokens, self.heads * self.size))
        return out


class Block(nn.Module):
    """Attention in windows that every other block shifts, and a perceptron; None where one was removed."""

    mask: torch.Tensor | None

    def __init__(
        self,
        embed: int,
        heads: Heads | None,
        hidden: int | None,
        *,
        side: int,
        window: int,
        shift: int,
        scale: float | None,
    ) -> None:
        super().__init__()
        self.side, self.window, self.shift = side, window, shift
        self.norm1 = None if heads is None else nn.LayerNorm(embed)
        self.attn = None if heads is None else Attention(embed, heads, window, scale)
        self.norm2 = None if hidden is None else nn.LayerNorm(embed)
        self.mlp = None if hidden is None else perceptron(embed, hidden)
        self.register_buffer("mask", _mask(side, window, shift) if shift else None, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.norm1 is not None and self.attn is not None:
            y = self.norm1(x)
            if self.shift:
                y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
            y = _whole(self.attn(_windows(y, self.window), self.mask), self.window, self.side)
            if self.shift:
                y = torch.roll(y, (self.shift, self.shift), (1, 2))
            x = x + y
        if self.norm2 is not None and self.mlp is not None:
            x = x + self.mlp(self.norm2(x))
        return x


class Merging(nn.Module):
    """Lay each 2 x 2 positions behind each other and make their channels fewer."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * inputs)
        self.reduction = nn.Linear(4 * inputs, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        corners = [x[:, i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
        out: torch.Tensor = self.reduction(self.norm(torch.cat(corners, -1)))
        return out


class Swin(Network):
    """Stages of windowed attention with patch merging between them.

    Args:
        embeds: Width of each stage's tokens.
        heads: Number and size of each block's heads, by stage; None where the attention was removed.
        hidden: Width of each block's perceptron, by stage; None where it was removed.
        image: Pixels on a side.
        patch: Pixels on a side.
        window: Patches on a side.
        classes: Width of the output.
        scale: Of all attentions; see `Attention`.
    """

    def __init__(
        self,
        embeds: Sequence[int] = (12, 20, 24),
        heads: Sequence[Sequence[Heads | None]] = (((2, 4), (3, 4)), ((4, 4), (4, 4)), ((6, 4),)),
        hidden: Sequence[Sequence[int | None]] = ((24, 32), (40, 36), (48,)),
        image: int = 32,
        patch: int = 2,
        window: int = 4,
        classes: int = 5,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.whole, self.image, self.patch, self.window = heads, image, patch, window
        self.classes, self.scale = classes, scale
        self.embed = nn.Conv2d(3, embeds[0], patch, patch)
        self.norm0 = nn.LayerNorm(embeds[0])
        self.stages, self.merges = nn.ModuleList(), nn.ModuleList()
        for s, (embed, numbers, widths) in enumerate(zip(embeds, heads, hidden, strict=True)):
            side = image // patch // 2**s
            # A window that covers the image has nothing to be shifted to.
            shift = window // 2 if side > window else 0
            blocks = [
                Block(embed, h, w, side=side, window=window, shift=shift if b % 2 else 0, scale=scale)
                for b, (h, w) in enumerate(zip(numbers, widths, strict=True))
            ]
            self.stages.append(nn.Sequential(*blocks))
            if s + 1 < len(embeds):
                self.merges.append(Merging(embed, embeds[s + 1]))
        self.norm = nn.LayerNorm(embeds[-1])
        self.head = nn.Linear(embeds[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm0(self.embed(x).permute(0, 2, 3, 1))
        for s, stage in enumerate(self.stages):
            x = stage(x if s == 0 else self.merges[s - 1](x))
        out: torch.Tensor = self.head(self.norm(x).mean((1, 2)))
        return out

    def smaller(self, cut: Cut) -> Self:
        # The scale stays that of the unpruned network, also where heads were made smaller.
        size = next(h[1] for stage in self.whole for h in stage if h is not None)
        blocks = [[f"stages.{s}.{b}" for b in range(len(stage))] for s, stage in enumerate(self.whole)]
        return type(self)(
            [cut.out("embed"), *(cut.out(f"merges.{s}.reduction") for s in range(len(self.merges)))],
            [[self._heads(cut, f"{path}.attn", size) for path in stage] for stage in blocks],
            [[cut.hidden(f"{path}.mlp.0") for path in stage] for stage in blocks],
            self.image,
            self.patch,
            self.window,
            self.classes,
            size**-0.5 if self.scale is None else self.scale,
        )

    @staticmethod
    def _heads(cut: Cut, path: str, whole: int) -> Heads | None:
        if not cut.has(path):
            return None
        size = cut.head_size(f"{path}.qkv", whole)
        return cut.out(f"{path}.qkv") // (3 * size), size


def swin_tiny() -> Swin:
    embeds, depths, numbers = (96, 192, 384, 768), (2, 2, 6, 2), (3, 6, 12, 24)
    heads = [[(number, 32)] * depth for number, depth in zip(numbers, depths, strict=True)]
    hidden = [[4 * embed] * depth for embed, depth in zip(embeds, depths, strict=True)]
    return Swin(embeds, heads, hidden, 224, 4, 7, 1000)
