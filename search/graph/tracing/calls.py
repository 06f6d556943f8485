"""Reading one call of an exported graph: its operator, its arguments, whether it writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx


def operator_name(node: fx.Node) -> str:
    """Return the operator of a call without its overload ("conv2d"), or the Python function's name; else ""."""
    if node.op != "call_function":
        return ""
    packet = getattr(node.target, "overloadpacket", None)
    return packet.__name__ if packet is not None else getattr(node.target, "__name__", str(node.target))


def is_mutable(node: fx.Node) -> bool:
    """Tell whether a call writes to one of its arguments."""
    if node.op != "call_function":
        return False
    schema = getattr(node.target, "_schema", None)
    return bool(node.meta.get("writes", False)) if schema is None else bool(schema.is_mutable)


def is_region(node: fx.Node) -> bool:
    """Tell whether a call runs a nested graph."""
    return node.op == "call_function" and isinstance(node.target, torch._ops.HigherOrderOperator)


def argument(node: fx.Node, name: str) -> Any:
    """Return a call's argument by its name in the operator's schema, the default where it is not given.

    Raises:
        ValueError: The operator has no such argument.
    """
    for i, expected in enumerate(node.target._schema.arguments):  # type: ignore[union-attr]
        if expected.name == name:
            return node.args[i] if i < len(node.args) else node.kwargs.get(name, expected.default_value)
    raise ValueError(f"An argument is one that the operator has, but {node.target} has no {name!r}.")


def tensor_of(value: Any) -> torch.Tensor | None:
    """Return the stand-in for the tensor that a node computes; None for whatever is no single tensor."""
    found = value.meta.get("val") if isinstance(value, fx.Node) else None
    return found if isinstance(found, torch.Tensor) else None


def literal_shape(sizes: Sequence[int | torch.SymInt]) -> list[int] | None:
    """Return sizes as a literal, with -1 for the one that is not a number; None where two are not."""
    unknown = sum(not isinstance(size, int) for size in sizes)
    # Nothing can be inferred beside a zero.
    if unknown > 1 or (unknown and 0 in sizes):
        return None
    return [size if isinstance(size, int) else -1 for size in sizes]


def same_size(a: int | torch.SymInt, b: int | torch.SymInt) -> bool:
    """Tell whether two sizes are the same number or the same expression, without adding a guard."""
    if isinstance(a, int) or isinstance(b, int):
        return isinstance(a, int) and isinstance(b, int) and a == b
    return bool(a.node.expr == b.node.expr)
