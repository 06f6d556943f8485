"""A cut network can be trained: gradients reach what they reach in the network that was not cut."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ...graph import Blueprint, Trace
from ...graph.tracing import seeded_draws
from ..cut import cut
from ..subnet import Subnet
from ._base import Proof, first_line
from .scrambled import everything

_SHOWN = 3


def trains(blueprint: Blueprint, subnet: Subnet) -> Proof:
    """Run the cut network forward and backward in training mode, on a copy, and count the parameters left out.

    Those that get no gradient in the network that was not cut, either, are not asked for. Where that one cannot run
    backward at all, the proof does not apply, and says so: what is stored is then for evaluation only.
    """
    if not any(parameter.requires_grad for parameter in subnet.parameters()):
        return _unsaid("none of its parameters is trained (requires_grad=False)")
    try:
        whole = _reached(cut(blueprint, everything(blueprint)), blueprint.trace)
    except Exception as exc:
        return _unsaid(
            f"the exported network cannot be trained, cut or not, but only evaluated ({type(exc).__name__}: "
            f"{first_line(exc)})"
        )
    try:
        reached = _reached(copy.deepcopy(subnet), blueprint.trace)
    except Exception as exc:
        why = f"it does not run forward and backward ({type(exc).__name__}: {first_line(exc)})"
        return Proof("trains", float("inf"), 1.0, 0.0, note=why)
    names = {name for name, parameter in subnet.named_parameters() if parameter.requires_grad}
    lost = sorted((whole & names) - reached)
    note = f"no gradient reaches {', '.join(lost[:_SHOWN])}{', ...' * (len(lost) > _SHOWN)}" if lost else ""
    return Proof("trains", float(len(lost)), float(len(names)), 0.0, note=note)


def _unsaid(why: str) -> Proof:
    return Proof("trains", None, 0.0, 0.0, exact=False, note=why)


def _reached(network: Subnet, trace: Trace) -> set[str]:
    """Return the names of the parameters that get a gradient, in training mode."""
    args, kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (trace.example, dict(trace.example_kwargs)))
    network.train()
    with torch.enable_grad(), seeded_draws():
        total: Any = sum(_size(leaf) for leaf in pytree.tree_leaves(network(*args, **kwargs)))
        total.backward()
    return {name for name, parameter in network.named_parameters() if parameter.grad is not None}


def _size(leaf: Any) -> Any:
    """Return a number that depends on all of an output; 0 where no gradient goes through it."""
    if not isinstance(leaf, torch.Tensor) or not leaf.requires_grad:
        return 0.0
    return leaf.abs().square().sum()
