"""One spelling for calls that mean the same now, chosen so that it still means the same after a cut.

Operators that derive sizes from their input (`chunk`, `squeeze`, attention's scale) would derive others from a
narrower one. Here they say what they did to the network as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from .calls import argument, literal_shape, operator_name, same_size, tensor_of
from .layers import STACKS, unstack
from .lines import source_line

_RESHAPED_IN_PLACE = frozenset(
    {
        "unsqueeze_", "squeeze_", "t_", "transpose_", "swapaxes_", "swapdims_", "as_strided_", "resize_",
        "resize_as_", "set_", "detach_", "requires_grad_",
    }
)  # fmt: skip
"""Writes to a tensor's shape and not to its memory: two tensors of one memory are then no longer the same."""


def canonicalise(graph: fx.Graph) -> tuple[str, ...]:
    """Rewrite calls in place; what cannot be rewritten safely stays as it is.

    Returns:
        One sentence for each change that users may notice.
    """
    notes: dict[str, None] = {}
    droppable = all(operator_name(node) not in _RESHAPED_IN_PLACE for node in graph.nodes)
    for node in list(graph.nodes):
        operator = operator_name(node)
        if operator in _REWRITES and isinstance(node.target, torch._ops.OpOverload):
            _REWRITES[operator](node)
        elif operator == "squeeze" and (note := _squeeze(node, droppable=droppable)):
            notes[note] = None
        elif operator == "slice" and droppable and _is_whole(node):
            _drop(node)
    return tuple(notes)


def _become(node: fx.Node, target: Any, *args: Any) -> None:
    node.target, node.args, node.kwargs = target, args, {}


def _drop(node: fx.Node) -> None:
    """Take away a call that returns what it was handed."""
    (source,) = node.all_input_nodes[:1]
    node.replace_all_uses_with(source)
    node.graph.erase_node(node)


def _split(node: fx.Node) -> None:
    source, dim, parts = tensor_of(node.args[0]), argument(node, "dim"), node.meta.get("val")
    if source is None or not isinstance(parts, (list, tuple)):
        return
    sizes = [part.shape[dim] for part in parts]
    if all(isinstance(size, int) for size in (*sizes, source.shape[dim])):
        _become(node, torch.ops.aten.split_with_sizes.default, node.args[0], sizes, dim)


def _squeeze(node: fx.Node, *, droppable: bool) -> str | None:
    """Name the axes that are 1 now; return a sentence where a batch of 1 would have been taken away too."""
    source = tensor_of(node.args[0])
    if source is None:
        return None
    shape = source.shape
    named: Any = node.args[1] if len(node.args) > 1 else range(len(shape))
    asked = [d % max(len(shape), 1) for d in (named if isinstance(named, (list, tuple, range)) else [named])]
    taken = sorted(d for d in asked if d < len(shape) and isinstance(shape[d], int) and shape[d] == 1)
    unknown = any(d < len(shape) and not isinstance(shape[d], int) for d in asked)
    note = f"`squeeze` ({source_line(node) or node.name}) takes away an axis of 1, but here a batch of 1 stays an axis."
    if taken or not droppable:
        _become(node, torch.ops.aten.squeeze.dims, node.args[0], taken)
    else:
        _drop(node)
    return note if unknown else None


def _attention(node: fx.Node) -> None:
    query = tensor_of(node.args[0])
    if query is not None and argument(node, "scale") is None and isinstance(query.shape[-1], int):
        node.update_kwarg("scale", 1.0 / math.sqrt(query.shape[-1]))


def _unflatten(node: fx.Node) -> None:
    value = tensor_of(node)
    shape = None if value is None else literal_shape(value.shape)
    if shape is not None:
        _become(node, torch.ops.aten.reshape.default, node.args[0], shape)


def _reversed(node: fx.Node) -> None:
    source = tensor_of(node.args[0])
    if source is not None:
        _become(node, torch.ops.aten.permute.default, node.args[0], list(reversed(range(source.dim()))))


def _adjoint(node: fx.Node) -> None:
    """Write the transpose of a matrix, and of a complex one the conjugate of that."""
    source, value = tensor_of(node.args[0]), tensor_of(node)
    if source is None or value is None or source.dim() < 2:
        return
    _become(node, torch.ops.aten.transpose.int, node.args[0], -2, -1)
    if source.is_complex():
        with node.graph.inserting_after(node):
            conjugate = node.graph.call_function(torch.ops.aten.conj.default, (node,))
        conjugate.meta.update(node.meta)
        node.meta["val"] = source.transpose(-2, -1)
        node.replace_all_uses_with(conjugate, delete_user_cb=lambda user: user is not conjugate)


def _matmul(node: fx.Node) -> None:
    _become(node, torch.ops.aten.matmul.default, *node.args)


def _bitwise(node: fx.Node) -> None:
    """Write what Python's operator on bits means; it has the same overloads, but for a shift by a number."""
    written, in_place = _BITWISE[operator_name(node)]
    packet = getattr(torch.ops.aten, f"{written}{'_' * in_place}")
    overload = node.target._overloadname  # type: ignore[union-attr]
    value = tensor_of(node)
    is_shift = "shift" in written
    if is_shift and (value is None or value.is_floating_point()):
        return
    node.target = getattr(packet, "Tensor_Scalar" if is_shift and overload == "Scalar" else overload)


def _is_whole(node: fx.Node) -> bool:
    """Tell whether a slice takes the whole axis, in its order."""
    source, value, dim = tensor_of(node.args[0]), tensor_of(node), argument(node, "dim")
    return (
        source is not None
        and value is not None
        and argument(node, "step") == 1
        and same_size(source.shape[dim], value.shape[dim])
    )


_BITWISE = {
    f"__{prefix}{name}__": (written, bool(prefix))
    for prefix in ("", "i")
    for name, written in (
        ("and", "bitwise_and"),
        ("or", "bitwise_or"),
        ("xor", "bitwise_xor"),
        ("lshift", "bitwise_left_shift"),
        ("rshift", "bitwise_right_shift"),
    )
}
"""Python's operator on bits -> how a graph writes it, and whether it writes to its first argument."""


def _emptied(node: fx.Node) -> None:
    """Fill with zeros what is handed out as it was: what it held is nobody's business, and nothing can depend on it."""
    target: Any = node.target
    if target in _FILLED:
        node.target = _FILLED[target]
        node.kwargs = {name: value for name, value in node.kwargs.items() if _takes(node.target, name)}


def _takes(target: Any, name: str) -> bool:
    return any(argument.name == name for argument in target._schema.arguments)


_aten = torch.ops.aten

_FILLED: dict[Any, Any] = {
    _aten.empty.memory_format: _aten.zeros.default,
    _aten.empty_like.default: _aten.zeros_like.default,
    _aten.new_empty.default: _aten.new_zeros.default,
}
"""Call that hands out memory as it was -> the call that fills it."""

_REWRITES: dict[str, Callable[[fx.Node], None]] = {
    "chunk": _split,
    "split": _split,
    "split_with_sizes": _split,
    "tensor_split": _split,
    "unsafe_chunk": _split,
    "unsafe_split": _split,
    "unsafe_split_with_sizes": _split,
    "scaled_dot_product_attention": _attention,
    "unflatten": _unflatten,
    **dict.fromkeys(STACKS, unstack),
    "numpy_T": _reversed,
    "adjoint": _adjoint,
    "matrix_H": _adjoint,
    "mH": _adjoint,
    "linalg_matmul": _matmul,
    **dict.fromkeys(_BITWISE, _bitwise),
    "empty": _emptied,
    "empty_like": _emptied,
    "new_empty": _emptied,
}
