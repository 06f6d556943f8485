"""Attention for the ONNX exporter, which knows it for tensors of four axes only."""

from __future__ import annotations

import math

import torch
from torch.export import ExportedProgram

_ATTENTION = torch.ops.aten.scaled_dot_product_attention.default
_AXES = 4
"""Axes of the tensors that the exporter takes: batch, heads, positions, head size."""


def spelled_out(program: ExportedProgram) -> ExportedProgram:
    """Return a program in which attention over tensors of other than four axes is made of matrix products."""
    calls = (node for node in program.graph.nodes if node.op == "call_function" and node.target is _ATTENTION)
    if all(node.meta["val"].dim() == _AXES for node in calls):
        return program
    made: ExportedProgram = program.run_decompositions({_ATTENTION: _attention})
    return made


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Compute what torch documents of its operator, in evaluation: softmax(q k' scale + mask) v."""
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(repeats, -3) for x in (key, value))
    logits = (query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)) @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        logits = logits.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        logits = logits + attn_mask
    return logits.softmax(-1) @ value
