"""Writes to memory as values: `op_` becomes `op` where nothing that is read later shares what `op_` writes."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from .aliases import Families
from .calls import is_mutable, operator_name, tensor_of

_TYPES: dict[Any, torch.dtype | None] = {}
"""What a functional operator returns for arguments of certain types; asking the operator itself is slow."""


def make_functional(graph: fx.Graph) -> None:
    """Turn `op_` into `op` where after the write nothing is read but the write's own result.

    The others stay as they are (the axes they touch are frozen later): renaming them would change results silently.
    Each family of nodes that may share memory is walked in program order. Where what it holds before a write is read
    for the last time by the write itself, all that comes after descends from the write's result.
    """
    families, order = Families(graph), {node: i for i, node in enumerate(graph.nodes)}
    last_read: dict[fx.Node, int] = {}
    outside: set[fx.Node] = set()
    for node in list(graph.nodes):
        family = families.family(node)
        own = max((order[user] for user in node.users), default=-1)
        if family not in outside and last_read.get(family, -1) <= order[node] and is_expressible(node):
            last_read[family] = -1
            written_value(node)
        if node.op in ("placeholder", "get_attr"):
            outside.add(family)
        last_read[family] = max(last_read.get(family, -1), own)


def is_expressible(node: fx.Node) -> bool:
    """Tell whether what a call writes can be computed by calls that write nothing."""
    if not is_mutable(node) or not isinstance(node.target, torch._ops.OpOverload) or tensor_of(node) is None:
        return False
    return _variant(node) is not None and _type_of_variant(node) is not None


def written_value(node: fx.Node) -> fx.Node:
    """Make a write compute what it writes, and let its readers read that; return the node that holds it."""
    value, dtype, variant = tensor_of(node), _type_of_variant(node), _variant(node)
    assert value is not None
    assert variant is not None
    node.target = variant
    if dtype == value.dtype:
        return node
    with node.graph.inserting_after(node):
        cast = node.graph.call_function(torch.ops.aten.to.dtype, (node, value.dtype))
    cast.meta.update(node.meta)
    node.meta["val"] = value.to(dtype)
    node.replace_all_uses_with(cast, delete_user_cb=lambda user: user is not cast)
    return cast


def _variant(node: fx.Node) -> Any:
    """Return the operator that computes what `op_` writes; None where there is none with the same arguments."""
    name, schema = operator_name(node), node.target._schema  # type: ignore[union-attr]
    if not name.endswith("_") or name.endswith("__"):
        return None
    packet = getattr(torch.ops.aten, name[:-1], None) if node.target.namespace == "aten" else None  # type: ignore[union-attr]
    found = getattr(packet, node.target._overloadname, None)  # type: ignore[union-attr]
    written = [i for i, a in enumerate(schema.arguments) if a.alias_info is not None and a.alias_info.is_write]
    if found is None or written != [0] or any(result.alias_info is not None for result in found._schema.returns):
        return None
    return found if _signature(found._schema) == _signature(schema) else None


def _signature(schema: Any) -> tuple[tuple[str, str], ...]:
    return tuple((argument.name, str(argument.type)) for argument in schema.arguments)


def _type_of_variant(node: fx.Node) -> torch.dtype | None:
    """Return the type of what the functional operator computes: a write casts it, the operator does not."""
    key = (node.target, *map(_kind, node.args), *((name, _kind(value)) for name, value in node.kwargs.items()))
    if key not in _TYPES:
        _TYPES[key] = _compute_type(node)
    return _TYPES[key]


def _kind(value: Any) -> Any:
    tensor = tensor_of(value)
    if tensor is not None:
        return tensor.dtype, tensor.dim() == 0
    if isinstance(value, (list, tuple)):
        return tuple(_kind(item) for item in value)
    return value if isinstance(value, torch.dtype) else type(value)


def _compute_type(node: fx.Node) -> torch.dtype | None:
    args, kwargs = fx.map_arg((node.args, dict(node.kwargs)), lambda n: n.meta.get("val"))
    try:
        with torch.no_grad():
            result = _variant(node)(*args, **kwargs)
    except Exception:
        return None
    return result.dtype if isinstance(result, torch.Tensor) else None
