"""From a finalist to files: cut, fine-tune with the unpruned network as teacher, export, verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwprofiles import Measurement, Quantity, Runtime, Target, excerpt

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
from ..graph import Blueprint, Candidate, Selection, full
from ..importance import Scores, select
from ..surgery import MOST_RUN_BYTES, Proof, Subnet, cut, load_subnet, run_bytes, take_structure, to_bytes
from ..tasks import Task
from .folder import RunFolder
from .layout import FILES, STORED_FILES, delivered
from .objective import Objective
from .progress import Progress
from .stored import PROOFS, SCORES, TIMED, TUNED

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


def finish(
    config: RunConfig,
    blueprint: Blueprint,
    scores: Scores,
    objective: Objective,
    candidate: Candidate,
    task: Task,
    runtime: Runtime,
    folder: RunFolder,
    progress: Progress,
    known: Mapping[str, Proof],
) -> Finished:
    """Tune, export, prove and verify a candidate; each step that is done already is read from the folder.

    Raises:
        ProofError: A proof of the cut failed.
    """
    selection = select(blueprint, candidate, scores)
    teacher = cut(blueprint, select(blueprint, full(blueprint), scores))
    place = f"candidates/{candidate.digest}"
    subnet, history = _tune(config, objective, candidate, teacher, task, folder, place, progress)
    networks, target = {BASELINE: teacher, SUBNET: subnet}, config.target
    _store(folder, ".", BASELINE, teacher)
    files = {BASELINE: delivered(folder.path, BASELINE), SUBNET: delivered(folder.file(place), SUBNET)}
    progress.stage("export", "both networks")
    _export(config, networks, files)
    proofs = {}
    if config.run.proofs:
        progress.stage("prove", "the cut")
        proofs = _prove(config, blueprint, selection, subnet, runtime, folder, place, known)
    progress.stage("accuracy", "through the exported files")
    accuracy, difference = _scores(runtime, target, files, networks, task, folder, place)
    progress.stage("verify", "the exported files on the target")
    verification = _verify(runtime, target, files, config.budget.latency, config.run.seed, folder, place, progress)
    return Finished(
        subnet,
        selection,
        history,
        verification,
        accuracy,
        sum(len(inputs) for inputs, _ in task.val_batches()),
        {name: _count(network) for name, network in networks.items()},
        {name: file.onnx.stat().st_size for name, file in files.items()},
        {name: digest for file in files.values() for name, digest in file.digests().items()},
        difference,
        proofs,
    )


def _count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _tune(
    config: RunConfig,
    objective: Objective,
    candidate: Candidate,
    teacher: Subnet,
    task: Task,
    folder: RunFolder,
    place: str,
    progress: Progress,
) -> tuple[Subnet, list[dict[str, Any]]]:
    stored = folder.read_json(f"{place}/finetune.json", TUNED)
    if stored is not None:
        # The folder may be a stranger's, but the unpruned network is the user's own, however large.
        most_bytes = max(MOST_RUN_BYTES, run_bytes(teacher))
        subnet = load_subnet(folder.file(place), most_bytes=most_bytes)
        take_structure(subnet, teacher)
        return subnet, stored["history"]
    progress.stage("finetune", "with the unpruned network as teacher")
    subnet = objective.network(candidate)
    settings = config.finetune
    folder.file(place).mkdir(parents=True, exist_ok=True)
    try:
        result: FitResult = fit(
            subnet,
            task,
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


def _store(folder: RunFolder, place: str, contestant: str, network: Subnet) -> None:
    for name, data in zip(STORED_FILES[contestant], to_bytes(network).values(), strict=True):
        folder.write(f"{place}/{name}", data)


def _export(config: RunConfig, networks: dict[str, Subnet], files: dict[str, Delivered]) -> None:
    metadata = {"lathe.input": str([list(shape) for _, shape in config.model.inputs])}
    if config.task.mean is not None and config.task.std is not None:
        metadata |= {"lathe.mean": str(list(config.task.mean)), "lathe.std": str(list(config.task.std))}
    for name, file in files.items():
        if not file.onnx.exists():
            export(networks[name], file.onnx, batch=config.target.batch, metadata=metadata)


def _prove(
    config: RunConfig,
    blueprint: Blueprint,
    selection: Selection,
    subnet: Subnet,
    runtime: Runtime,
    folder: RunFolder,
    place: str,
    known: Mapping[str, Proof],
) -> dict[str, Any]:
    """Prove the cut that is delivered: the tuned network and its very file."""
    stored: dict[str, Any] | None = folder.read_json(f"{place}/proofs.json", PROOFS)
    if stored is not None:
        return stored
    proofs = prove(
        blueprint,
        selection,
        subnet,
        folder.file(place),
        seed=config.run.seed,
        # A runtime that takes no ONNX files, or not on the CPU, was asked by `Bench.open`, and is again for accuracy.
        file=FileToProve(
            folder.file(f"{place}/{FILES[SUBNET]}"),
            (config.target.batch,),
            runtime if runtime.artefact_kind == "onnx" and config.target.device == "cpu" else None,
            config.target.threads,
        ),
        known=known,
    )
    require(proofs)
    found = {name: proof.to_json() for name, proof in proofs.items()}
    folder.write_json(f"{place}/proofs.json", found)
    return found


def _scores(
    runtime: Runtime,
    target: Target,
    files: dict[str, Delivered],
    networks: dict[str, Subnet],
    task: Task,
    folder: RunFolder,
    place: str,
) -> tuple[dict[str, float], float]:
    """Return each network's metric on its runtime, and how far the farther of them is from torch."""
    stored = folder.read_json(f"{place}/accuracy.json", SCORES)
    if stored is not None:
        return stored["accuracy"], stored["export_difference"]
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
    folder.write_json(f"{place}/accuracy.json", {"accuracy": accuracy, "export_difference": difference})
    return accuracy, difference


def _verify(
    runtime: Runtime,
    target: Target,
    files: dict[str, Delivered],
    budget: Quantity,
    seed: int,
    folder: RunFolder,
    place: str,
    progress: Progress,
) -> Verification:
    """Time the networks; a stored timing of the very same files is read instead."""
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
