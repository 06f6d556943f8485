"""What a stored network may call: ATen operators on a list, and arithmetic on sizes.

`operators.txt` is the list; `scripts/stored_operators.py` says by which rule it is made. All on it compute new values
from what they are handed: none writes, reaches outside the process's own tensors, or hands out memory as it was.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from torch import fx

from hwprofiles import shown

from ..errors import BundleError, ModelError
from ..graph.tracing import source_line

OPERATORS_FILE = "operators.txt"

PYTHON_OPERATORS: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in (
        "getitem",
        "add",
        "sub",
        "mul",
        "floordiv",
        "truediv",
        "mod",
        "neg",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
    )
}
"""Python operators that a graph may call on sizes and tuples."""

_LISTED_LINES = 10
"""Calls that a message names; the rest are counted."""


@cache
def listed() -> frozenset[str]:
    """Return the names of ATen operators that a stored graph may call, such as `aten.add.Tensor`."""
    return frozenset(files(__package__).joinpath(OPERATORS_FILE).read_text(encoding="ascii").split())


def operator_text(node: fx.Node) -> str:
    """Return the name that a stored graph has for what a node calls."""
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target)
    return f"operator.{getattr(node.target, '__name__', node.target)}"


def resolve_operator(name: str) -> Callable[..., Any]:
    """Return the operator that a stored graph names.

    Raises:
        BundleError: It is not on the list.
    """
    space, _, rest = name.partition(".")
    if space == "operator" and rest in PYTHON_OPERATORS:
        return PYTHON_OPERATORS[rest]
    if name not in listed():
        raise BundleError(
            f"A stored graph calls ATen operators and arithmetic on sizes that are on a list only, but it names "
            f"{shown(name)}: compute that with other operators of torch, or use the network that `search.cut` returns "
            "without storing it."
        )
    packet, _, overload = rest.partition(".")
    found = getattr(getattr(torch.ops.aten, packet, None), overload, None)
    if not isinstance(found, torch._ops.OpOverload):
        raise BundleError(
            f"A stored graph is read by a version of torch that has its operators, but torch {torch.__version__} has "
            f"no {name}: install the version that the bundle's report names."
        )
    return found


def check_storable(nodes: Iterable[fx.Node]) -> None:
    """Check, before any work is done on a traced network, that it can be stored in the end.

    Raises:
        ModelError: It calls what a stored graph may not; each operator is named with the user's line.
    """
    found: dict[str, None] = {}
    for node in nodes:
        name = operator_text(node) if node.op == "call_function" else ""
        if name and name not in listed() and name.removeprefix("operator.") not in PYTHON_OPERATORS:
            line = source_line(node)
            found[f"{name} ({line})" if line else f"{name} ({node.name})"] = None
    if found:
        told = "; ".join(list(found)[:_LISTED_LINES])
        more = f"; and {len(found) - _LISTED_LINES} more" if len(found) > _LISTED_LINES else ""
        raise ModelError(
            "A network that Lathe delivers is stored as a graph of operators on a list, since whoever opens it must "
            f"not have to trust it, but this one calls {told}{more}: compute that with other operators of torch, or "
            "outside the network."
        )
