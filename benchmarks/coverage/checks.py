"""What both contenders are measured with."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.utils import _pytree as pytree

import search

from .models import Case, inputs
from .record import Record, WrongError

BATCHES = (1, 3)
ONNX_TOLERANCE = 1e-4
MOST_LEFT = 0.95


def tensors(outputs: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]


def shapes(model: nn.Module, case: Case) -> list[list[int]]:
    """Return the shapes of a model's outputs without the batch."""
    with torch.no_grad():
        return [list(output.shape[1:]) for output in tensors(model(inputs(case, 1)))]


def check_forward(model: nn.Module, case: Case, batch: int, expected: list[list[int]] | None) -> None:
    """Run a model: its outputs are finite and have the batch, and the expected shapes where those are given."""
    with torch.no_grad():
        outputs = tensors(model(inputs(case, batch)))
    found = [list(output.shape) for output in outputs]
    if any(shape[0] != batch for shape in found):
        raise WrongError(f"with a batch of {batch} the outputs have the shapes {found}")
    if expected is not None and [shape[1:] for shape in found] != expected:
        raise WrongError(f"the outputs have the shapes {found}, not {expected} after the batch")
    if not all(bool(output.isfinite().all()) for output in outputs):
        raise WrongError("an output is not finite")


def check_backward(model: nn.Module, case: Case) -> None:
    """Run a model backward in train mode: every parameter gets a finite gradient."""
    # Batch normalisation needs two examples; without it one will do, and large networks need the memory.
    batch = 2 if any(name.endswith("running_mean") for name, _ in model.named_buffers()) else 1
    model.train()
    try:
        loss = sum(output.float().square().mean() for output in tensors(model(inputs(case, batch))))
        loss.backward()  # type: ignore[union-attr]
        without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
        odd = [name for name, p in model.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())]
    finally:
        model.zero_grad()
        model.eval()
    if odd:
        raise WrongError(f"{len(odd)} parameters have gradients that are not finite: {odd[:3]}")
    if without:
        raise WrongError(f"{len(without)} parameters have no gradient: {without[:3]}")


def onnx_difference(model: nn.Module, case: Case, path: Path) -> tuple[float, float]:
    """Export a model, run the file, and return the largest difference from torch and the largest output."""
    example = inputs(case, 1)
    search.export(model, path, example)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    got = session.run(None, {session.get_inputs()[0].name: example.numpy()})
    with torch.no_grad():
        expected = [output.numpy() for output in tensors(model(example))]
    if [g.shape for g in got] != [e.shape for e in expected]:
        raise WrongError(f"the file's outputs have the shapes {[g.shape for g in got]}")
    pairs = list(zip(got, expected, strict=True))
    return max(float(np.abs(g - e).max()) for g, e in pairs), max(float(np.abs(e).max()) for e in expected)


def check_onnx(difference: float, scale: float) -> None:
    if not difference <= ONNX_TOLERANCE * scale:
        raise WrongError(f"the file's outputs differ by {difference:.3g}, the largest output is {scale:.3g}")


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def check_smaller(before: int, after: int, record: Record) -> None:
    record.note(parameters={"before": before, "after": after})
    if after >= MOST_LEFT * before:
        raise WrongError(f"{after / before:.1%} of the parameters are left")


def fingerprint(model: nn.Module) -> str:
    """Return a hash of every bit of a model's parameters and buffers, their names, types and shapes."""
    digest = hashlib.sha256()
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} {value.requires_grad}".encode())
        digest.update(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
