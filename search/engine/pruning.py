"""A uniform cut without a search: trace, comb, cut, write a bundle, prove it.

Format history of its report.json, which says `"kind": "prune"` and is no report of a run: 1 (2026-11): first.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from hwprofiles import get_runtime

from ..bundle import FILES, REPORT_FILE, STRUCTURE_FILE, staged, write_value
from ..deploy import BASELINE, PT2_FILE, SUBNET, FileToProve, export, prove, require, write_pt2
from ..errors import ExportError, ModelError, NothingToCutError
from ..folder import Folder
from ..graph import Blueprint, Candidate, Selection, Trace, analyse, full, one_per_product, trace, uniform
from ..graph.restrict import Restriction
from ..importance import select
from ..progress import Progress, Silent
from ..surgery import Subnet, check_storable, cut, everything, to_bytes
from .summary import widths_of

PRUNE_FORMAT = 1

Report = dict[str, Any]

RUNTIME = "onnxruntime"
"""What the exported file is proven on."""

OTHER_FACTOR = "the other factor of the same size is cut (of heads times their inside, the heads)"
FEW_UNITS = "the ratio rounds to none of its units, or the least that it may keep is its size"

DYNAMIC_BATCHES = (1, 3)
"""Batch sizes at which a file that takes any is proven."""


@dataclass(frozen=True, slots=True)
class PruneSettings:
    """How to cut uniformly.

    Attributes:
        ratio: Share of the units of each dim to remove.
        importance: Criterion that says which units stay.
        restriction: Which parts may be cut, and how far.
        seed: Of the proofs.
        dynamic_batch: Whether the files take any batch size.
        pt2: Whether to write a `.pt2` file too.
        force: Whether a bundle that is there already may be replaced.
        told: What else the user said, for structure.json: the network's source and the like.
    """

    ratio: float
    importance: str = "magnitude"
    restriction: Restriction = field(default_factory=Restriction)
    seed: int = 0
    dynamic_batch: bool = False
    pt2: bool = False
    force: bool = False
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a uniform cut came to.

    Attributes:
        report: The content of report.json.
        bundle: Folder of the bundle; None where nothing became narrower, so that none was written.
    """

    report: Report
    bundle: Path | None


def prune(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    out: Path,
    settings: PruneSettings,
    progress: Progress | None = None,
) -> Pruned:
    """Cut the same share of every dim, prove the cut, and leave a bundle: all of it or nothing.

    Args:
        model: The network; it is not changed.
        args: Example inputs by position; axis 0 of each tensor is the batch.
        kwargs: Example inputs by keyword.
        out: Folder of the bundle.
        settings: How to cut.
        progress: Told how far it is.

    Raises:
        ModelError: The network does not export or calls what is not stored, a glob matches nothing, or the batch
            cannot be dynamic.
        ProofError: A proof failed.
        RunFolderError: The folder holds something already, or cannot be written.
        BundleError: The cut network cannot be stored.
        ExportError: It does not export to the `.pt2` file that was asked for.
    """
    progress = progress or Silent()
    with staged(out, force=settings.force) as place:
        progress.stage("analyse", "the network's structure")
        seconds = {"export_s": 0.0, "analysis_s": 0.0, "cut_s": 0.0}
        with _timed(seconds, "export_s"):
            traced = _traced(model, args, kwargs, settings)
        try:
            with _timed(seconds, "analysis_s"):
                blueprint = analyse(traced, settings.restriction)
        except NothingToCutError as exc:
            return Pruned(_uncut(traced, exc, seconds), None)
        with _timed(seconds, "cut_s"):
            selection = select(blueprint, uniform(blueprint, settings.ratio), settings.importance)
            subnet = cut(blueprint, selection)
        report = _opening(blueprint, selection, subnet, settings) | seconds
        if all(dim["subnet"] == dim["baseline"] for dim in report["dims"]):
            return Pruned(report, None)
        report = _fill(Folder(place.path), blueprint, selection, subnet, settings, report, progress)
        place.commit()
    return Pruned(report, out)


def _traced(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], settings: PruneSettings) -> Trace:
    traced = trace(model, args, kwargs)
    if settings.dynamic_batch and traced.static_batch is not None:
        raise ModelError(
            f"A file that takes any batch needs a network that does, but {traced.static_batch}. Leave out "
            "`--dynamic-batch`, or change the network."
        )
    check_storable(traced.module.graph.nodes)
    return traced


def _fill(
    folder: Folder,
    blueprint: Blueprint,
    selection: Selection,
    subnet: Subnet,
    settings: PruneSettings,
    report: Report,
    progress: Progress,
) -> Report:
    """Write the bundle's files, prove them, and return the whole report."""
    progress.stage("export", "to ONNX")
    for name, data in to_bytes(subnet).items():
        folder.write(name, data)
    networks = {BASELINE: cut(blueprint, everything(blueprint)), SUBNET: subnet}
    failure = _export(folder, networks, blueprint.trace, settings)
    progress.stage("prove", "the cut")
    batches = DYNAMIC_BATCHES if settings.dynamic_batch else (_batch(blueprint.trace),)
    proofs = prove(
        blueprint,
        selection,
        subnet,
        folder.path,
        seed=settings.seed,
        file=FileToProve(failure or folder.file(FILES[SUBNET]), batches, get_runtime(RUNTIME)),
    )
    require(proofs)
    report["proofs"] = {name: proof.to_json() for name, proof in proofs.items()}
    doubts = [f"The proof `{name}` says nothing here: {p.note}" for name, p in proofs.items() if not p.passed]
    report["warnings"] = [*report["warnings"], *doubts]
    files = {name: folder.file(file) for name, file in FILES.items() if folder.file(file).exists()}
    report["hashes"] = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    report["file_bytes"] = {name: path.stat().st_size for name, path in files.items()}
    structure = {
        "format": 1,
        "candidate": selection.candidate.to_json(),
        "selection": selection.to_json(),
        "hashes": report["hashes"],
        "config": report["settings"],
    }
    folder.write_json(STRUCTURE_FILE, structure)
    folder.write_json(REPORT_FILE, report)
    return report


def _export(folder: Folder, networks: Mapping[str, Subnet], traced: Trace, settings: PruneSettings) -> str:
    """Write the exported files; return why there is no ONNX, or an empty text."""
    args, kwargs = _example(traced, settings)
    if settings.pt2:
        write_pt2(networks[SUBNET], folder.file(PT2_FILE), args, kwargs, dynamic=settings.dynamic_batch)
    try:
        for name, network in networks.items():
            export(network, folder.file(FILES[name]), args, kwargs, dynamic_batch=settings.dynamic_batch)
    except ExportError as exc:
        for file in FILES.values():
            folder.file(file).unlink(missing_ok=True)
        return str(exc)
    return ""


def _batch(traced: Trace) -> int:
    """Return the batch size of a file that takes one only: the network's own where it fixes it."""
    sizes = [leaf.shape[0] for leaf in pytree.tree_leaves(traced.example) + pytree.tree_leaves(traced.example_kwargs)
             if isinstance(leaf, torch.Tensor) and leaf.dim()]  # fmt: skip
    return 1 if traced.static_batch is None or not sizes else sizes[0]


def _example(traced: Trace, settings: PruneSettings) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return example inputs of the files' batch; the traced one's batch where they take any."""
    found: tuple[tuple[Any, ...], dict[str, Any]] = (traced.example, dict(traced.example_kwargs))
    if settings.dynamic_batch:
        return found
    batch = _batch(traced)
    return pytree.tree_map_only(torch.Tensor, lambda x: x[:batch] if x.dim() else x, found)  # type: ignore[no-any-return]


# ---- report ----------------------------------------------------------------------------------------------------------


def _opening(blueprint: Blueprint, selection: Selection, subnet: Subnet, settings: PruneSettings) -> Report:
    """Return the parts of the report that are known before anything is written."""
    warnings = [
        *blueprint.trace.notes,
        *(
            f"Operator {name} has no rule yet; what it touches was not cut ({len(nodes)} calls)."
            for name, nodes in blueprint.unknown.items()
        ),
    ]
    return {
        "format": PRUNE_FORMAT,
        "kind": "prune",
        "parameters": {BASELINE: _count(blueprint.trace.module), SUBNET: _count(subnet)},
        "proofs": {},
        "frozen": [{"dim": item.dim, "reason": item.reason} for item in blueprint.frozen],
        "dims": write_value(widths_of(blueprint, full(blueprint), selection.candidate)),
        "whole": _whole(blueprint, selection.candidate),
        "blocks": [{"name": name, "choice": choice} for name, choice in selection.candidate.blocks.items()],
        "unknown_operators": {name: list(nodes) for name, nodes in blueprint.unknown.items()},
        "warnings": warnings,
        "settings": _settings_json(settings),
        "versions": {"torch": torch.__version__, **get_runtime(RUNTIME).versions()},
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _whole(blueprint: Blueprint, candidate: Candidate) -> list[dict[str, str]]:
    """Return each free dim that kept its size, and why."""
    chosen = one_per_product(blueprint)
    found = []
    for dim in blueprint.dims:
        if candidate.dims.get(dim.name) == dim.size:
            reason = FEW_UNITS if dim.name in chosen else OTHER_FACTOR
            found.append({"dim": dim.name, "reason": reason})
    return found


def _uncut(traced: Trace, exc: NothingToCutError, seconds: Mapping[str, float]) -> Report:
    """Return the report of a network in which nothing is free."""
    count = _count(traced.module)
    return {
        "parameters": {BASELINE: count, SUBNET: count},
        "proofs": {},
        "frozen": [{"dim": dim, "reason": reason} for dim, reason in exc.frozen],
        "dims": [],
        "warnings": list(traced.notes),
        **seconds,
    }


def _settings_json(settings: PruneSettings) -> Report:
    limits = settings.restriction
    return {
        **settings.told,
        "ratio": settings.ratio,
        "importance": settings.importance,
        "keep": list(limits.keep),
        "only": list(limits.only),
        "least": dict(limits.least),
        "seed": settings.seed,
        "dynamic_batch": settings.dynamic_batch,
    }


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        seconds[name] = time.monotonic() - began
