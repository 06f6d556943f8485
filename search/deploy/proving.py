"""All proofs on one cut, in one place, and what it means when one fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwprofiles import Runtime

from ..errors import ProofError
from ..graph import Blueprint, Selection
from ..surgery import Proof, Subnet, original, permutation, reloaded, silenced, trains
from .exported import exported, not_exported

MEANINGS: Mapping[str, str] = {
    "original": "the network that is cut, with everything kept, must compute what your own module computes on your "
    "weights and example, so tracing it changed something",
    "permutation": "permuting the units of every dim must not change the output, so an operator's rule is wrong for "
    "this network: something that must be cut together came apart",
    "silenced": "the cut network must equal the unpruned one in which the cut units are zero, so the wrong units were "
    "cut, or a size was written anew wrongly",
    "trains": "gradients must reach every parameter that they reach in the unpruned network, so the cut network cannot "
    "be trained as it is",
    "export": "the exported file, run by the runtime, does not compute what the network computes",
    "runtime": "the target does not compute what torch computes, within its precision: what would be timed is another "
    "network",
    "reload": "the stored network, read in a fresh process, must compute what it computed before, so what was stored "
    "is not what was cut",
}
"""Proof -> what it says, and what its failure means."""

_FAULTS: Mapping[str, str] = {
    "export": "it could not be told whether the exporter or the runtime got it wrong",
    "runtime": "the runtime got an operator wrong, or the precision is too coarse for this network",
}
"""Proof -> whose fault its failure may be, where the proof does not say."""


@dataclass(frozen=True, slots=True)
class FileToProve:
    """The ONNX file of a cut network, and how it is run.

    Attributes:
        onnx: The file, or why there is none.
        batches: Batch sizes that it is for.
        runtime: Runs it; by default ONNX Runtime.
        threads: How many that uses.
    """

    onnx: Path | str
    batches: Sequence[int] = (1,)
    runtime: Runtime | None = None
    threads: int = 1


def prove(
    blueprint: Blueprint,
    selection: Selection,
    subnet: Subnet,
    bundle: Path,
    *,
    seed: int,
    file: FileToProve,
    known: Mapping[str, Proof] | None = None,
) -> dict[str, Proof]:
    """Make every proof of a cut; the first that fails is the last that is made.

    Args:
        blueprint: The combed network.
        selection: What was cut of it.
        subnet: The cut network, perhaps trained since.
        bundle: Folder that the subnet is stored in.
        seed: Of everything random.
        file: Its ONNX file.
        known: Proofs that were made before, such as the permutation proof of the combing.

    Raises:
        BundleError: The stored network cannot be read in a fresh process.
    """
    rng = np.random.default_rng(seed)
    makers: dict[str, Callable[[], Proof]] = {
        "original": lambda: original(blueprint),
        "permutation": lambda: permutation(blueprint, rng),
        "silenced": lambda: silenced(blueprint, selection, rng),
        "trains": lambda: trains(blueprint, subnet),
        "export": lambda: _exported(subnet, file, blueprint, rng),
        "reload": lambda: reloaded(subnet, bundle, blueprint.trace, rng),
    }
    found: dict[str, Proof] = {}
    for name, make in makers.items():
        found[name] = (known or {}).get(name) or make()
        if found[name].failed:
            break
    return found


def _exported(subnet: Subnet, file: FileToProve, blueprint: Blueprint, rng: np.random.Generator) -> Proof:
    if isinstance(file.onnx, str):
        return not_exported(subnet, file.onnx)
    trace, threads = blueprint.trace, file.threads
    return exported(subnet, file.onnx, trace, rng, batches=file.batches, runtime=file.runtime, threads=threads)


def require(proofs: Mapping[str, Proof]) -> None:
    """Check that no proof failed.

    Raises:
        ProofError: One did.
    """
    for name, proof in proofs.items():
        if proof.failed:
            whose = proof.note or _FAULTS.get(name, "")
            note = f" ({whose})" if whose else ""
            raise ProofError(
                f"The proof `{name}` failed: outputs differ by {proof.max_abs_diff:.3g}, where at most "
                f"{proof.tolerance * proof.scale:.3g} passes{note}. This means that {MEANINGS[name]}. Nothing was "
                "kept; please report the network's operators."
            )
