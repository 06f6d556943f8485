"""Two networks that must compute the same on random numbers: in float64 where they run in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ...graph import Trace
from ...graph.tracing import drawing
from ._base import Proof, compare, draw_like, first_line, outputs
from .scrambled import in_double

PERMUTATION_TOLERANCE = 1e-9
"""Largest relative difference, in float64, at which two orders of the same units count as one network."""

OWN_TOLERANCES = {torch.bfloat16: 0.05, torch.float16: 0.02}
"""Coarsest type in a network that does not run in float64 -> largest relative difference; others: `OWN_TOLERANCE`."""

OWN_TOLERANCE = 1e-3
"""Sums in another order differ by some 1e-6 in float32, and more where signals cancel; a wrong cut differs by 1."""


class UnfitError(Exception):
    """The claim cannot be put to the test on this network; the message says why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A claim that two networks compute the same.

    Attributes:
        name: The proof's.
        networks: Makes the two, with random numbers for weights, in float64 or in types of their own. Nothing was cut
            of the first.
        exact: Whether the claim speaks of the whole cut.
        note: What it leaves out.
    """

    name: str
    networks: Callable[[bool], tuple[nn.Module, nn.Module]]
    exact: bool = True
    note: str = ""


def compare_pair(pair: Pair, trace: Trace, rng: np.random.Generator) -> Proof:
    """Run both networks of a pair on the same random inputs and compare them.

    What does not run in float64 is compared in types of its own, within their rounding. Where the uncut network runs
    in neither, the proof does not apply. Where only the cut one does not run, it fails.
    """
    note = "; ".join(filter(None, (pair.note, _quietened(trace))))
    try:
        return _in_double(pair, trace, rng, note)
    except UnfitError as exc:
        return Proof(pair.name, None, 0.0, PERMUTATION_TOLERANCE, exact=False, note=str(exc))
    except Exception as exc:
        why = f"{type(exc).__name__}: {first_line(exc)}"
    note = "; ".join(filter(None, (note, f"in the network's own types, as it does not run in float64 ({why})")))
    tolerance = own_tolerance(trace)
    whole, small = pair.networks(False)
    args, kwargs = draw_like(trace, rng)
    try:
        expected = outputs(whole, args, kwargs)
    except Exception as exc:
        why = f"on random numbers, the unpruned network does not run ({type(exc).__name__}: {first_line(exc)})"
        return Proof(pair.name, None, 0.0, tolerance, exact=False, note=why)
    try:
        got = outputs(small, args, kwargs)
    except Exception as exc:
        why = f"it does not run ({type(exc).__name__}: {first_line(exc)})"
        return Proof(pair.name, float("inf"), 1.0, tolerance, pair.exact, why)
    return _judged(compare(pair.name, expected, got, tolerance, exact=pair.exact, note=note), whole)


def own_tolerance(trace: Trace, otherwise: float = OWN_TOLERANCE) -> float:
    """Return how far outputs may differ by rounding alone, by the coarsest type that a network computes in."""
    values = [value for node in trace.module.graph.nodes for value in _tensors(node.meta.get("val"))]
    found = {value.dtype for value in [*values, *trace.module.parameters(), *trace.module.buffers()]}
    return max((OWN_TOLERANCES[dtype] for dtype in found if dtype in OWN_TOLERANCES), default=otherwise)


def _tensors(value: object) -> list[torch.Tensor]:
    return [v for v in (value if isinstance(value, (list, tuple)) else (value,)) if isinstance(v, torch.Tensor)]


def _in_double(pair: Pair, trace: Trace, rng: np.random.Generator, note: str) -> Proof:
    with in_double():
        whole, small = pair.networks(True)
        args, kwargs = draw_like(trace, rng, torch.float64)
        expected, got = outputs(whole, args, kwargs), outputs(small, args, kwargs)
    return _judged(compare(pair.name, expected, got, PERMUTATION_TOLERANCE, exact=pair.exact, note=note), whole)


def _judged(proof: Proof, whole: nn.Module) -> Proof:
    """Return a proof as it is; one of networks that still draw random numbers says nothing where they differ."""
    left = drawing(whole)
    return undecided(proof, left) if proof.failed and left else proof


def undecided(proof: Proof, operators: tuple[str, ...]) -> Proof:
    """Return a proof that does not apply, since operators draw numbers and a cut network draws others."""
    why = (
        f"{', '.join(operators)} draws random numbers while the network runs, and tensors of other sizes or another "
        "runtime get other numbers from the same seed"
    )
    return Proof(proof.name, None, proof.scale, proof.tolerance, exact=False, note=why)


def _quietened(trace: Trace) -> str:
    operators = drawing(trace.module)
    return f"with {', '.join(operators)} drawing no random numbers" if operators else ""
