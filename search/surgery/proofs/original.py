"""The blueprint, cut with everything kept, is the user's network: on its own weights and inputs."""

from __future__ import annotations

from ...graph import Blueprint
from ...graph.tracing import drawing
from ..cut import cut
from ._base import Proof, compare, first_line, flat, outputs
from .pairs import own_tolerance, undecided
from .scrambled import everything

ORIGINAL_TOLERANCE = 1e-4
"""Largest relative difference: the same operators, some of which torch computes in one step outside a graph."""


def original(blueprint: Blueprint) -> Proof:
    """Run the graph that all cuts are made of, whole, and compare it with what the user's own module computed.

    All else is proven against that graph: that tracing and folding it changed nothing is proven here.
    """
    trace = blueprint.trace
    tolerance = own_tolerance(trace, ORIGINAL_TOLERANCE)
    if not trace.outputs:
        return Proof("original", None, 0.0, tolerance, exact=False, note="the network returns no tensor")
    subnet = cut(blueprint, everything(blueprint))
    try:
        got = outputs(subnet, trace.example, dict(trace.example_kwargs))
    except Exception as exc:
        why = f"the exported network does not run ({type(exc).__name__}: {first_line(exc)})"
        return Proof("original", float("inf"), 1.0, tolerance, note=why)
    proof = compare("original", flat(trace.outputs), got, tolerance)
    operators = drawing(subnet)
    return undecided(proof, operators) if proof.failed and operators else proof
