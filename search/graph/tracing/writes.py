"""One write as a value: the call that computes what another writes to memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from .calls import is_mutable, operator_name, same_size, tensor_of

_aten = torch.ops.aten

_TYPES: dict[Any, torch.dtype | None] = {}
"""What an operator returns for arguments of certain types; asking the operator itself is slow."""


def is_expressible(node: fx.Node) -> bool:
    """Tell whether what a call writes can be computed by a call that writes nothing."""
    if not is_mutable(node) or not isinstance(node.target, torch._ops.OpOverload) or not _keeps_its_shape(node):
        return False
    if node.target in _SPECIAL:
        return _SPECIAL[node.target][0](node)
    return _variant(node) is not None and _type_of_variant(node) is not None


def _keeps_its_shape(node: fx.Node) -> bool:
    value, written = tensor_of(node), tensor_of(node.args[0]) if node.args else None
    if value is None or written is None or value.dtype != written.dtype or value.dim() != written.dim():
        return False
    return all(map(same_size, value.shape, written.shape))


def written_value(node: fx.Node) -> fx.Node:
    """Make a write compute what it writes, and let its readers read that; return the node that holds it."""
    if node.target in _SPECIAL:
        _SPECIAL[node.target][1](node)
        return node
    value, dtype, variant = node.meta["val"], _type_of_variant(node), _variant(node)
    node.target = variant
    if dtype == value.dtype:
        return node
    # Memory keeps its type: what is computed in a wider one is cast when it is written.
    with node.graph.inserting_after(node):
        cast = node.graph.call_function(_aten.to.dtype, (node, value.dtype))
    cast.meta.update(node.meta)
    node.meta["val"] = value.to(dtype)
    node.replace_all_uses_with(cast, delete_user_cb=lambda user: user is not cast)
    return cast


# ---- in-place operators ----------------------------------------------------------------------------------------------


def _variant(node: fx.Node) -> Any:
    """Return the operator that computes what `op_` writes; None where there is none with the same arguments."""
    target: Any = node.target
    name = operator_name(node)
    if target.namespace != "aten" or not name.endswith("_") or name.endswith("__"):
        return None
    found = getattr(getattr(_aten, name[:-1], None), target._overloadname, None)
    written = [i for i, a in enumerate(target._schema.arguments) if a.alias_info is not None and a.alias_info.is_write]
    if found is None or written != [0] or any(result.alias_info is not None for result in found._schema.returns):
        return None
    return found if _signature(found) == _signature(target) else None


def _signature(operator: Any) -> list[tuple[str, str]]:
    """Return names and types of the arguments but the first, which is the tensor ("self", or "input" for dropout)."""
    return [(argument.name, str(argument.type)) for argument in operator._schema.arguments[1:]]


def _type_of_variant(node: fx.Node) -> torch.dtype | None:
    """Return the type of what the functional operator computes; None where it cannot be asked."""
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


# ---- copies and constants --------------------------------------------------------------------------------------------


def _can_copy(node: fx.Node) -> bool:
    value, source = tensor_of(node.args[0]), tensor_of(node.args[1])
    return value is not None and source is not None and value.device == source.device


def _copy(node: fx.Node) -> None:
    """Read `copy_(target, source)` as the source, in the target's type and shape, in memory of its own."""
    target, source = node.args[:2]
    value, given = node.meta["val"], source.meta["val"]  # type: ignore[union-attr]
    same_shape = value.dim() == given.dim() and all(map(same_size, value.shape, given.shape))
    with node.graph.inserting_before(node):
        if not same_shape:
            source = node.graph.call_function(_aten.expand_as.default, (source, target))
            source.meta.update({**node.meta, "val": value.to(given.dtype)})
    if value.dtype == given.dtype:
        node.target, node.args = _aten.clone.default, (source,)
    else:
        node.target, node.args = _aten.to.dtype, (source, value.dtype)
    node.kwargs = {}


def _can_fill(node: fx.Node) -> bool:
    filled = node.args[1]
    return isinstance(filled, int) or (isinstance(filled, float) and node.meta["val"].dtype.is_floating_point)


def _fill(node: fx.Node) -> None:
    node.target = _aten.full_like.default


def _zero(node: fx.Node) -> None:
    node.target = _aten.zeros_like.default


_SPECIAL: dict[Any, tuple[Callable[[fx.Node], bool], Callable[[fx.Node], None]]] = {
    _aten.copy_.default: (_can_copy, _copy),
    _aten.fill_.Tensor: (_can_copy, _copy),
    _aten.fill_.Scalar: (_can_fill, _fill),
    _aten.zero_.default: (lambda _: True, _zero),
}
"""Write -> whether it can be read as a value, and how: operators that rules know, and not their own variants."""
