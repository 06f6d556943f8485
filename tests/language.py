"""A small language model in the manner of today's: its parts are the ones that make such models hard to cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large it is, and how it is written.

    Attributes:
        tokens: Size of the vocabulary.
        width: Of the trunk.
        heads: Of queries.
        groups: Heads of keys and values, each shared by `heads / groups` heads of queries.
        size: Of each head.
        hidden: Of the gated layers.
        layers: How many.
        length: Most positions.
        positions: Learned ones that are added, or ones that rotate queries and keys.
        shares: How heads of keys are shared: by attention itself, or by repeating them.
    """

    tokens: int = 23
    width: int = 24
    heads: int = 8
    groups: int = 4
    size: int = 8
    hidden: int = 40
    layers: int = 2
    length: int = 16
    positions: Literal["rotary", "learned"] = "rotary"
    shares: Literal["gqa", "repeat"] = "gqa"


class RMSNorm(nn.Module):
    """Root mean square normalisation, written out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6))


def rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn the halves of each head against each other, by an angle that grows with the position."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class Attention(nn.Module):
    """Grouped-query attention that sees only what came before."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        s = sizes
        self.q = nn.Linear(s.width, s.heads * s.size, bias=False)
        self.k = nn.Linear(s.width, s.groups * s.size, bias=False)
        self.v = nn.Linear(s.width, s.groups * s.size, bias=False)
        self.out = nn.Linear(s.heads * s.size, s.width, bias=False)

    def forward(self, x: torch.Tensor, cos: torch.Tensor | None, sin: torch.Tensor | None) -> torch.Tensor:
        s = self.sizes
        batch, length, _ = x.shape
        q = self.q(x).view(batch, length, s.heads, s.size).transpose(1, 2)
        k = self.k(x).view(batch, length, s.groups, s.size).transpose(1, 2)
        v = self.v(x).view(batch, length, s.groups, s.size).transpose(1, 2)
        if cos is not None and sin is not None:
            q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        if s.shares == "repeat":
            k, v = (t.repeat_interleave(s.heads // s.groups, 1) for t in (k, v))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=s.shares == "gqa")
        out: torch.Tensor = self.out(y.transpose(1, 2).reshape(batch, length, s.heads * s.size))
        return out


class Gated(nn.Module):
    """SwiGLU."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.gate = nn.Linear(sizes.width, sizes.hidden, bias=False)
        self.up = nn.Linear(sizes.width, sizes.hidden, bias=False)
        self.down = nn.Linear(sizes.hidden, sizes.width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.down(functional.silu(self.gate(x)) * self.up(x))
        return out


class Layer(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.norm1, self.attention = RMSNorm(sizes.width), Attention(sizes)
        self.norm2, self.gated = RMSNorm(sizes.width), Gated(sizes)

    def forward(self, x: torch.Tensor, cos: torch.Tensor | None, sin: torch.Tensor | None) -> torch.Tensor:
        x = x + self.attention(self.norm1(x), cos, sin)
        out: torch.Tensor = x + self.gated(self.norm2(x))
        return out


class Language(nn.Module):
    """Tokens in, scores of the next token out; the head's weight is the embedding's."""

    cos: torch.Tensor
    sin: torch.Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.tokens, sizes.width)
        self.positions = nn.Parameter(torch.randn(sizes.length, sizes.width)) if sizes.positions == "learned" else None
        angles = torch.outer(torch.arange(sizes.length), 100.0 ** -(torch.arange(sizes.size // 2) / (sizes.size // 2)))
        self.register_buffer("cos", torch.cat((angles, angles), -1).cos(), persistent=False)
        self.register_buffer("sin", torch.cat((angles, angles), -1).sin(), persistent=False)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.norm = RMSNorm(sizes.width)
        self.head = nn.Linear(sizes.width, sizes.tokens, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        length = tokens.shape[1]
        x = self.embedding(tokens)
        turns = (self.cos[:length], self.sin[:length]) if self.positions is None else (None, None)
        if self.positions is not None:
            x = x + self.positions[:length]
        for layer in self.layers:
            x = layer(x, *turns)
        out: torch.Tensor = self.head(self.norm(x))
        return out


def language(
    positions: Literal["rotary", "learned"] = "rotary", shares: Literal["gqa", "repeat"] = "gqa", seed: int = 0
) -> Language:
    """Return a model with random weights, in which no norm is the identity."""
    torch.manual_seed(seed)
    network = Language(Sizes(positions=positions, shares=shares))
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, RMSNorm):
                module.weight.uniform_(0.5, 1.5)
    return network.eval()


def tokens(batch: int = 2, length: int = 9, seed: int = 0) -> torch.Tensor:
    """Return a batch of random tokens."""
    return torch.randint(0, Sizes().tokens, (batch, length), generator=torch.Generator().manual_seed(seed))
