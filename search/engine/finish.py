"""From a finalist to files: cut, fine-tune with the unpruned network as teacher, export, verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwprofiles import Measurement, excerpt

from ..bundle import FILES, PROOFS, SCORES, STORED_FILES, TIMED, TUNED, delivered
from ..config import RunConfig
from ..deploy import (
    BASELINE,
    SUBNET,
    Delivered,
    FileToProve,
    Verification,
    check_export,
    export,
    prove,
    require,
    verify,
)
from ..errors import RunFolderError, TrainingError
from ..finetune import Duration, FitResult, evaluate, fit
from ..folder import Folder
from ..graph import Candidate, Selection, full
from ..importance import select
from ..surgery import MOST_RUN_BYTES, Subnet, cut, load_subnet, run_bytes, take_structure, to_bytes
from .context import Context

LAST_GOOD = "last-good"
"""Folder beside a candidate's files for the network of the last good epoch, where its training had to stop."""


@dataclass(frozen=True)
class Finished:
    """A finalist that was tuned, exported and timed.

    Attributes:
        subnet: The tuned network.
        selection: Which units it keeps.
        history: Epochs of its fine-tuning.
        verification: The timing of its file.
        accuracy: Contestant -> metric, computed through what its runtime is given.
        examples: Held-out examples that it was computed on.
        parameters: Contestant -> number of trainable values.
        file_bytes: Contestant -> size of its ONNX file.
        files: Name in the bundle -> SHA-256, for all files of both networks.
        export_difference: Largest relative difference of the runtime's outputs from torch's.
        proofs: Name -> what each proof of the cut measured, as reports hold it; empty where they are switched off.
    """

    subnet: Subnet
    selection: Selection
    history: list[dict[str, Any]]
    verification: Verification
    accuracy: dict[str, float]
    examples: int
    parameters: dict[str, int]
    file_bytes: dict[str, int]
    files: dict[str, str]
    export_difference: float
    proofs: dict[str, Any]


def finish(context: Context, candidate: Candidate) -> Finished:
    """Tune, export, prove and verify a candidate; each step that is done already is read from the folder.

    Raises:
        ProofError: A proof of the cut failed.
    """
    config, folder, progress = context.config, context.folder, context.progress
    selection = select(context.blueprint, candidate, context.scores)
    teacher = cut(context.blueprint, select(context.blueprint, full(context.blueprint), context.scores))
    place = f"candidates/{candidate.digest}"
    subnet, history = _tune(context, candidate, teacher, place)
    networks = {BASELINE: teacher, SUBNET: subnet}
    _store(folder, ".", BASELINE, teacher)
    files = {BASELINE: delivered(folder.path, BASELINE), SUBNET: delivered(folder.file(place), SUBNET)}
    progress.stage("export", "both networks")
    _export(config, networks, files)
    proofs = {}
    if config.run.proofs:
        progress.stage("prove", "the cut")
        proofs = folder.step(f"{place}/proofs.json", PROOFS, lambda: _prove(context, selection, subnet, place))
    progress.stage("accuracy", "through the exported files")
    scored = folder.step(f"{place}/accuracy.json", SCORES, lambda: _scores(context, files, networks))
    progress.stage("verify", "the exported files on the target")
    verification = _verify(context, files, place)
    return Finished(
        subnet,
        selection,
        history,
        verification,
        scored["accuracy"],
        sum(len(inputs) for inputs, _ in context.task.val_batches()),
        {name: _count(network) for name, network in networks.items()},
        {name: file.onnx.stat().st_size for name, file in files.items()},
        {name: digest for file in files.values() for name, digest in file.digests().items()},
        scored["export_difference"],
        proofs,
    )


def _count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _tune(context: Context, candidate: Candidate, teacher: Subnet, place: str) -> tuple[Subnet, list[dict[str, Any]]]:
    config, folder, progress = context.config, context.folder, context.progress
    stored = folder.read_json(f"{place}/finetune.json", TUNED)
    if stored is not None:
        # The folder may be a stranger's, but the unpruned network is the user's own, however large.
        most_bytes = max(MOST_RUN_BYTES, run_bytes(teacher))
        subnet = load_subnet(folder.file(place), most_bytes=most_bytes)
        take_structure(subnet, teacher)
        return subnet, stored["history"]
    progress.stage("finetune", "with the unpruned network as teacher")
    subnet = context.objective.network(candidate)
    settings = config.finetune
    folder.file(place).mkdir(parents=True, exist_ok=True)
    try:
        result: FitResult = fit(
            subnet,
            context.task,
            Duration(settings.epochs, settings.minutes),
            teacher=teacher,
            settings=settings.settings,
            checkpoint=folder.file(f"{place}/finetune.ckpt"),
            seed=config.run.seed,
            progress=lambda step: progress.step(*step.told()),
        )
    except TrainingError as exc:
        kept = f"{place}/{LAST_GOOD}"
        _store(folder, kept, SUBNET, subnet)
        message = f"{exc} The last good network is kept in {folder.file(kept)}; `search.load_subnet` reads it."
        raise TrainingError(message, exc.state, exc.result) from exc
    _store(folder, place, SUBNET, subnet)
    history = [asdict(record) for record in result.history]
    folder.write_json(f"{place}/finetune.json", {"history": history, "seconds": result.seconds})
    return subnet, history


def _store(folder: Folder, place: str, contestant: str, network: Subnet) -> None:
    for name, data in zip(STORED_FILES[contestant], to_bytes(network).values(), strict=True):
        folder.write(f"{place}/{name}", data)


def _export(config: RunConfig, networks: dict[str, Subnet], files: dict[str, Delivered]) -> None:
    metadata = {"lathe.input": str([list(shape) for _, shape in config.model.inputs])}
    if config.task.mean is not None and config.task.std is not None:
        metadata |= {"lathe.mean": str(list(config.task.mean)), "lathe.std": str(list(config.task.std))}
    for name, file in files.items():
        if not file.onnx.exists():
            export(networks[name], file.onnx, batch=config.target.batch, metadata=metadata)


def _prove(context: Context, selection: Selection, subnet: Subnet, place: str) -> dict[str, Any]:
    """Prove the cut that is delivered: the tuned network and its very file."""
    runtime, target = context.runtime, context.target
    proofs = prove(
        context.blueprint,
        selection,
        subnet,
        context.folder.file(place),
        seed=context.config.run.seed,
        # A runtime that takes no ONNX files, or not on the CPU, was asked by `Bench.open`, and is again for accuracy.
        file=FileToProve(
            context.folder.file(f"{place}/{FILES[SUBNET]}"),
            (target.batch,),
            runtime if runtime.artefact_kind == "onnx" and target.device == "cpu" else None,
            target.threads,
        ),
        known={"permutation": context.bench.proof},
    )
    require(proofs)
    return {name: proof.to_json() for name, proof in proofs.items()}


def _scores(context: Context, files: dict[str, Delivered], networks: dict[str, Subnet]) -> dict[str, Any]:
    """Return each network's metric on its runtime, and how far the farther of them is from torch."""
    runtime, target, task = context.runtime, context.target, context.task
    accuracy, difference = {}, 0.0
    for name, file in files.items():
        content = file.content(runtime.artefact_kind, target.batch)
        with runtime.load(content, target, np.random.default_rng(0)) as session:
            found = check_export(networks[name], session, task.calibration(), target.precision)
            difference = max(difference, found)
            spec = session.input_specs[0]

            def run(inputs: torch.Tensor, session: Any = session, spec: Any = spec) -> Any:
                (outputs,) = session.outputs({spec.name: inputs.numpy()}).values()
                return outputs

            accuracy[name] = evaluate(run, task, batch=spec.shape[0])
    return {"accuracy": accuracy, "export_difference": difference}


def _verify(context: Context, files: dict[str, Delivered], place: str) -> Verification:
    """Time the networks; a stored timing of the very same files is read instead."""
    runtime, target, folder, progress = context.runtime, context.target, context.folder, context.progress
    budget, seed = context.config.budget.latency, context.config.run.seed
    stored = folder.read_json(f"{place}/verify.json", TIMED)
    hashes = {name: file.digest(runtime.artefact_kind) for name, file in files.items()}
    if stored is not None and stored["hashes"] == hashes:
        return Verification(budget, _read_timing(stored["measurement"], folder.file(f"{place}/verify.json")), hashes)
    on_window: Callable[[int, int], None] = lambda done, least: progress.step(min(done, least), least)  # noqa: E731
    verification = verify(runtime, target, files, budget, rng=np.random.default_rng(seed), on_window=on_window)
    if not verification.reasons:
        stored = {"hashes": dict(verification.hashes), "measurement": verification.measurement.to_json()}
        folder.write_json(f"{place}/verify.json", stored)
    return verification


def _read_timing(stored: Mapping[str, Any], path: Path) -> Measurement:
    """Read the timing that a folder holds.

    Raises:
        RunFolderError: It is none of the two networks.
    """
    try:
        found = Measurement.from_json(stored)
        if set(found.names) != {BASELINE, SUBNET}:
            raise ValueError(f"the networks are {', '.join(found.names)}")
    except (ValueError, TypeError) as exc:
        raise RunFolderError(
            f"{path} must hold a timing of {BASELINE} and {SUBNET}, but reading it failed ({excerpt(exc)}): "
            "delete it to go on."
        ) from exc
    return found
