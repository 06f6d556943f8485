"""Lathe's steps on one model."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import search
from search import graph, surgery
from search.graph.tracing import trace

from . import checks
from .memory import Peak
from .models import SEED, Case, build, inputs
from .record import Record, WrongError

RATIO = 0.5
SPARE_BYTES = 100 * 2**20

STEPS = (
    "build",
    "export",
    "analysis",
    "select",
    "cut",
    "memory",
    "smaller",
    "permutation",
    "proofs",
    *(f"forward_{batch}" for batch in checks.BATCHES),
    "backward",
    "onnx",
    "unchanged",
)


def run(case: Case, record: Record, folder: Path) -> None:
    """Take all steps; what is needed by the later ones ends the run where it fails."""
    with record.step("build", needed=True):
        model = build(case)
        expected, before = checks.shapes(model, case), checks.fingerprint(model)
    try:
        blueprint, selection, subnet = _cut(model, case, record)
        _prove(blueprint, selection, subnet, record, folder)
        for batch in checks.BATCHES:
            with record.step(f"forward_{batch}"):
                checks.check_forward(subnet, case, batch, expected)
        with record.step("backward"):
            checks.check_backward(subnet, case)
        with record.step("onnx"):
            difference, scale = checks.onnx_difference(subnet, case, folder / "subnet.onnx")
            record.note(onnx={"max_abs_diff": difference, "scale": scale})
            checks.check_onnx(difference, scale)
    finally:
        with record.step("unchanged"):
            if checks.fingerprint(model) != before or model.training:
                raise WrongError("the user's model is not what it was")


def _cut(model: nn.Module, case: Case, record: Record) -> tuple[graph.Blueprint, graph.Selection, search.Subnet]:
    example = inputs(case, 1)
    with record.step("export", needed=True):
        traced = trace(model, example)
    peak = Peak()
    with record.step("analysis", needed=True):
        blueprint = graph.analyse(traced)
    record.note(**_freedom(blueprint))
    with record.step("select", needed=True):
        selection = search.select(blueprint, search.uniform(blueprint, RATIO))
    with record.step("cut", needed=True):
        subnet = search.cut(blueprint, selection)
    with record.step("memory"):
        _check_memory(model, peak.bytes(), record)
    with record.step("smaller"):
        checks.check_smaller(checks.parameters(model), checks.parameters(subnet), record)
    return blueprint, selection, subnet


def _freedom(blueprint: graph.Blueprint) -> dict[str, Any]:
    """Return what can be cut and what cannot, with the reasons."""
    frozen = defaultdict(list)
    for item in blueprint.frozen:
        frozen[item.reason].append(item.dim)
    return {
        "dims": len(blueprint.dims),
        "blocks": len(blueprint.blocks),
        "frozen": [{"reason": reason, "dims": dims} for reason, dims in frozen.items()],
        "unknown": {operator: len(nodes) for operator, nodes in blueprint.unknown.items()},
        "static_batch": blueprint.trace.static_batch,
    }


def _prove(
    blueprint: graph.Blueprint, selection: graph.Selection, subnet: search.Subnet, record: Record, folder: Path
) -> None:
    with record.step("permutation"):
        proof = search.permutation(blueprint, np.random.default_rng(SEED))
        record.note(permutation=_figures(proof))
        _check_passed({"permutation": proof})
    # That the exported file equals torch is a step of its own, on both sides.
    with record.step("proofs"):
        for name, content in surgery.to_bytes(subnet).items():
            (folder / name).write_bytes(content)
        proofs = {
            "silenced": surgery.silenced(blueprint, selection, np.random.default_rng(SEED)),
            "reload": surgery.reloaded(subnet, folder, blueprint.trace, np.random.default_rng(SEED)),
        }
        record.note(proofs={name: _figures(proof) for name, proof in proofs.items()})
        _check_passed(proofs)


def _figures(proof: Any) -> dict[str, Any]:
    return {
        "max_abs_diff": proof.max_abs_diff,
        "scale": proof.scale,
        "tolerance": proof.tolerance,
        "passed": proof.passed,
        "exact": proof.exact,
        "note": proof.note,
    }


def _check_passed(proofs: dict[str, Any]) -> None:
    for name, proof in proofs.items():
        if proof.failed:
            raise WrongError(f"{name}: outputs differ by {proof.max_abs_diff:.3g} at a scale of {proof.scale:.3g}")


def _check_memory(model: nn.Module, peak: int, record: Record) -> None:
    allowed = 3 * sum(p.numel() * p.element_size() for p in model.parameters()) + SPARE_BYTES
    record.note(memory={"peak_bytes": peak, "allowed_bytes": allowed})
    if peak > allowed:
        raise WrongError(f"{peak / 2**20:.0f} MiB, where {allowed / 2**20:.0f} are allowed")
