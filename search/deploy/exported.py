"""An exported file computes what its network computes: all outputs, at every batch size that the file is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hwprofiles import ArtefactError, Runtime, Session, Target, get_runtime

from ..graph import Trace
from ..graph.tracing import drawing, seeded_draws
from ..surgery import Proof, Subnet, compare, draw_like, undecided
from .blame import fault
from .program import flattened, tensors_of
from .widened import named_types

TOLERANCES = {torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Type of a network's coarsest tensor -> largest relative difference that passes; all others: `EXPORT_TOLERANCE`."""

PRECISION_TOLERANCES = {"fp32": 1e-4, "tf32": 1e-2, "fp16": 2e-2, "bf16": 0.1, "int8": 0.2}
"""Precision of a target -> likewise: TF32 and fp16 keep 10 bits of each factor, bf16 keeps 7."""

EXPORT_TOLERANCE = 1e-4
"""Largest difference of an exported file's outputs from torch's, relative to the largest of the same output."""


def exported(
    subnet: Subnet,
    file: Path,
    trace: Trace,
    rng: np.random.Generator,
    *,
    batches: Sequence[int] = (1,),
    runtime: Runtime | None = None,
    threads: int = 1,
) -> Proof:
    """Run an ONNX file and compare each of its outputs with the network's.

    Args:
        subnet: The network that was exported, in eval mode.
        file: The file.
        trace: Whose example the inputs are drawn like.
        rng: Where the inputs' numbers come from.
        batches: Batch sizes to run at; several only where the file takes any.
        runtime: Runs the file; by default ONNX Runtime.
        threads: How many it uses.

    Returns:
        The worst of all comparisons; where the runtime cannot run the file, or draws random numbers of its own, a proof
        that does not apply.
    """
    runtime = runtime or get_runtime("onnxruntime")
    tolerance = tolerance_of(subnet)
    found: list[Proof] = []
    for batch in batches:
        target = Target(runtime.name, batch=batch, threads=threads)
        if (reason := runtime.unavailable(target)) is not None:
            return not_exported(subnet, reason)
        tensors = tuple(_with_batch(tensor, batch) for tensor in tensors_of(*draw_like(trace, rng)))
        content = file.read_bytes()
        try:
            with runtime.load(content, target, np.random.default_rng(0)) as session:
                proofs = _compared(subnet, session, tensors, tolerance)
                found.append(_explained(proofs, subnet, session, tensors, content, runtime, target))
        except ArtefactError as exc:
            return not_exported(subnet, str(exc))
    return _decided(max(found, key=_relative), subnet)


def computed(subnet: Subnet, content: bytes, runtime: Runtime, target: Target, rng: np.random.Generator) -> Proof:
    """Run a network's file on a target and compare each of its outputs with torch's, within the precision's tolerance.

    Args:
        subnet: The network, in eval mode.
        content: Its file, of the kind that the runtime takes.
        runtime: Runs it.
        target: How.
        rng: Where the inputs' numbers come from.

    Raises:
        ArtefactError: The runtime cannot run the file.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    tensors = tuple(
        torch.randn(x.shape, generator=generator, dtype=x.dtype) if x.is_floating_point() else x
        for x in subnet.example(target.batch)
    )
    tolerance = max(tolerance_of(subnet), PRECISION_TOLERANCES[target.precision])
    with runtime.load(content, target, np.random.default_rng(0)) as session:
        proofs = _compared(subnet, session, tensors, tolerance)
        worst = _explained(proofs, subnet, session, tensors, content, runtime, target)
    return _decided(replace(worst, name="runtime"), subnet)


def _explained(
    proofs: Sequence[Proof],
    subnet: Subnet,
    session: Session,
    tensors: Sequence[torch.Tensor],
    content: bytes,
    runtime: Runtime,
    target: Target,
) -> Proof:
    """Return the worst of some comparisons; one that fails says whose fault it is, as far as that can be told."""
    worst = max(proofs, key=_relative)
    if not worst.failed or worst.note or runtime.artefact_kind != "onnx" or drawing(subnet):
        return worst
    feeds = _feeds(session, tensors)
    expected = _expected(subnet, tensors)

    def is_right(outputs: Sequence[NDArray[np.generic]]) -> bool:
        return all(proof.passed for proof in _held_against(expected, outputs, worst.tolerance))

    return replace(worst, note=fault(content, feeds, is_right, runtime, target))


def _decided(proof: Proof, subnet: Subnet) -> Proof:
    """Return a proof as it is; one of a network that draws random numbers says nothing where outputs differ."""
    operators = drawing(subnet)
    return undecided(proof, operators) if proof.failed and operators else proof


def not_exported(subnet: Subnet, why: str) -> Proof:
    """Return the proof of a file that cannot be had or run here."""
    return Proof("export", None, 0.0, tolerance_of(subnet), exact=False, note=why)


def tolerance_of(subnet: Subnet) -> float:
    """Return how far an exported file may be from its network, by the coarsest type that it holds or casts to."""
    types = {tensor.dtype for tensor in [*subnet.parameters(), *subnet.buffers()]} | named_types(subnet.graph)
    return max((TOLERANCES[dtype] for dtype in types if dtype in TOLERANCES), default=EXPORT_TOLERANCE)


def _compared(subnet: Subnet, session: Session, tensors: Sequence[torch.Tensor], tolerance: float) -> list[Proof]:
    outputs = list(session.outputs(_feeds(session, tensors)).values())
    return _held_against(_expected(subnet, tensors), outputs, tolerance)


def _expected(subnet: Subnet, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    with torch.no_grad(), seeded_draws():
        # On copies: a network may write to its inputs.
        return list(flattened(subnet)(*map(torch.clone, tensors)))


def _feeds(session: Session, tensors: Sequence[torch.Tensor]) -> dict[str, NDArray[np.generic]]:
    return {spec.name: tensor.numpy() for spec, tensor in zip(session.input_specs, tensors, strict=True)}


def _held_against(
    expected: Sequence[torch.Tensor], got: Sequence[NDArray[np.generic]], tolerance: float
) -> list[Proof]:
    if len(got) != len(expected):
        return [Proof("export", float("inf"), 1.0, tolerance, True, f"{len(got)} outputs instead of {len(expected)}")]
    return [
        compare("export", _flat(mine), _flat(torch.from_numpy(np.array(other))), tolerance)
        for mine, other in zip(expected, got, strict=True)
    ]


def _flat(value: torch.Tensor) -> torch.Tensor:
    return (torch.view_as_real(value) if value.is_complex() else value).double().reshape(-1)


def _relative(proof: Proof) -> float:
    """Return how bad a comparison is; a difference that is no number is the worst."""
    relative = (proof.max_abs_diff or 0.0) / max(proof.scale, 1e-30)
    return relative if relative == relative else float("inf")


def _with_batch(tensor: torch.Tensor, batch: int) -> torch.Tensor:
    """Return as many rows as a batch has; an example that is too short is repeated."""
    return tensor[torch.arange(batch) % tensor.shape[0]] if tensor.dim() else tensor
