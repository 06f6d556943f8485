"""Calls that show a tensor's memory differently: making them again, and writing back through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from .calls import argument, literal_shape, operator_name, tensor_of

_aten = torch.ops.aten

Inverse = Callable[[fx.Node, fx.Node, fx.Node], fx.Node]
"""(view, what it was taken of, the view's new value) -> the new value of what it was taken of."""


def can_be_remade(view: fx.Node) -> bool:
    """Tell whether a view follows from its arguments alone, and not from the strides of its memory."""
    if operator_name(view) == "view" and view.target is not _aten.view.default:
        return False
    return operator_name(view) in INVERSES or operator_name(view) in READ_ONLY


def remade(view: fx.Node, source: fx.Node) -> fx.Node:
    """Call a view's operator again, on another value of what it was taken of."""
    if operator_name(view) == "getitem":
        made = _remade_part(view, source)
    else:
        # A view needs strides that fit; a value that was rebuilt may have others.
        target: Any = view.target
        target = _RESHAPES.get(target, target)
        made = source.graph.call_function(target, (source, *view.args[1:]), dict(view.kwargs))
    made.meta.update(view.meta)
    return made


def written_back(view: fx.Node, source: fx.Node, value: fx.Node) -> fx.Node:
    """Return what the source of a view holds once the view holds `value`."""
    # Before what follows, calls stand in the order in which they are made; after `value`, they would not.
    with value.graph.inserting_before(value.next):
        made = INVERSES[operator_name(view)](view, source, value)
    if made is not value:
        made.meta.update({**value.meta, "val": source.meta["val"]})
    return made


def _call(value: fx.Node, target: Any, *args: Any) -> fx.Node:
    return value.graph.call_function(target, args)


def _slice(view: fx.Node, source: fx.Node, value: fx.Node) -> fx.Node:
    bounds = [argument(view, name) for name in ("dim", "start", "end", "step")]
    if (parts := _around(source, value, *bounds)) is not None:
        return parts
    return _call(value, _aten.slice_scatter.default, source, value, *bounds)


def _select(view: fx.Node, source: fx.Node, value: fx.Node) -> fx.Node:
    return _selected(source, value, view.args[1], view.args[2])


def _selected(source: fx.Node, value: fx.Node, dim: Any, index: Any) -> fx.Node:
    size = source.meta["val"].shape[dim]
    if _is_complex(source) and isinstance(size, int) and isinstance(index, int):
        whole = _call(value, _aten.unsqueeze.default, value, dim % _rank(source))
        whole.meta.update({**value.meta, "val": value.meta["val"].unsqueeze(dim % _rank(source))})
        parts = _around(source, whole, dim, index % size, index % size + 1, 1)
        if parts is not None:
            return parts
    return _call(value, _aten.select_scatter.default, source, value, dim, index)


def _around(source: fx.Node, value: fx.Node, dim: int, start: int | None, end: int | None, step: int) -> fx.Node | None:
    """Return a stretch of a complex tensor written anew, as what is before it, it, and what is after it.

    Torch has no derivative of `slice_scatter` and `select_scatter` for complex numbers. None for others, which have.
    """
    size = source.meta["val"].shape[dim]
    if not _is_complex(source) or step != 1 or not isinstance(size, int):
        return None
    first, last = (_bound(value, size, d) for value, d in ((start, 0), (end, size)))
    before = [_stretch(source, value, dim, 0, first)] if first else []
    after = [_stretch(source, value, dim, max(first, last), size)] if max(first, last) < size else []
    return _call(value, _aten.cat.default, [*before, value, *after], dim)


def _stretch(source: fx.Node, value: fx.Node, dim: int, start: int, end: int) -> fx.Node:
    part = _call(value, _aten.slice.Tensor, source, dim, start, end)
    part.meta.update({**value.meta, "val": _aten.slice.Tensor(source.meta["val"], dim, start, end)})
    return part


def _bound(value: int | None, size: int, default: int) -> int:
    return default if value is None else max(0, min(size, value + size if value < 0 else value))


def _is_complex(node: fx.Node) -> bool:
    value = tensor_of(node)
    return value is not None and value.is_complex()


def _swapped(view: fx.Node, _: fx.Node, value: fx.Node) -> fx.Node:
    return _call(value, view.target, value, *view.args[1:])


def _permuted(view: fx.Node, _: fx.Node, value: fx.Node) -> fx.Node:
    order = [d % len(argument(view, "dims")) for d in argument(view, "dims")]
    return _call(value, _aten.permute.default, value, [order.index(i) for i in range(len(order))])


def _moved(view: fx.Node, _: fx.Node, value: fx.Node) -> fx.Node:
    return _call(value, view.target, value, argument(view, "destination"), argument(view, "source"))


def _unsqueezed(view: fx.Node, source: fx.Node, value: fx.Node) -> fx.Node:
    return _call(value, _aten.squeeze.dims, value, [argument(view, "dim") % (_rank(source) + 1)])


def _squeezed(view: fx.Node, source: fx.Node, value: fx.Node) -> fx.Node:
    stored = value.meta
    for dim in sorted(d % _rank(source) for d in argument(view, "dim")):
        value = _call(value, _aten.unsqueeze.default, value, dim)
        value.meta.update(stored)
    return value


def _reshaped(_: fx.Node, source: fx.Node, value: fx.Node) -> fx.Node:
    shape = literal_shape(source.meta["val"].shape)
    if shape is None:
        return _call(value, _aten.reshape_as.default, value, source)
    return _call(value, _aten.reshape.default, value, shape)


def _same(_: fx.Node, __: fx.Node, value: fx.Node) -> fx.Node:
    return value


def _part(view: fx.Node, source: fx.Node, value: fx.Node) -> fx.Node:
    split, index = view.args
    dim = argument(split, "dim")  # type: ignore[arg-type]
    if operator_name(split) == "unbind":  # type: ignore[arg-type]
        return _selected(source, value, dim, index)
    parts = _around(source, value, dim, *_bounds(view), 1)
    return parts or _call(value, _aten.slice_scatter.default, source, value, dim, *_bounds(view))


def _remade_part(view: fx.Node, source: fx.Node) -> fx.Node:
    split, index = view.args
    dim = argument(split, "dim")  # type: ignore[arg-type]
    if operator_name(split) == "unbind":  # type: ignore[arg-type]
        return _call(source, _aten.select.int, source, dim, index)
    return _call(source, _aten.slice.Tensor, source, dim, *_bounds(view))


def _bounds(part: fx.Node) -> tuple[int, int]:
    split: Any = part.args[0]
    sizes: list[int] = argument(split, "split_sizes")
    index: Any = part.args[1]
    index %= len(sizes)
    return sum(sizes[:index]), sum(sizes[: index + 1])


def _rank(node: fx.Node) -> int:
    value = tensor_of(node)
    return 0 if value is None else value.dim()


_RESHAPES = {
    _aten.view.default: _aten.reshape.default,
    _aten._unsafe_view.default: _aten.reshape.default,
    _aten.view_as.default: _aten.reshape_as.default,
}

INVERSES: dict[str, Inverse] = {
    "slice": _slice,
    "select": _select,
    "getitem": _part,
    "transpose": _swapped,
    "swapaxes": _swapped,
    "swapdims": _swapped,
    "t": _swapped,
    "permute": _permuted,
    "movedim": _moved,
    "unsqueeze": _unsqueezed,
    "squeeze": _squeezed,
    "view": _reshaped,
    "_unsafe_view": _reshaped,
    "reshape": _reshaped,
    "flatten": _reshaped,
    "unflatten": _reshaped,
    "view_as": _reshaped,
    "reshape_as": _reshaped,
    "contiguous": _same,
    "to": _same,
    "type_as": _same,
    "alias": _same,
}
"""View -> how a new value of it becomes a new value of what it was taken of."""

READ_ONLY = frozenset({"expand", "expand_as", "broadcast_to", "diagonal", "unfold", "narrow"})
"""Views that can be made again, but not written back through."""

DROPOUTS = frozenset({"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"})
"""Operators that return their argument's memory in eval mode and a copy in training."""

MAY_COPY = frozenset({"contiguous", "to", "type_as", "reshape", "flatten", "reshape_as"})
"""Operators that return their argument's memory or a copy, as its strides and type may be."""

PARTS = frozenset({"split_with_sizes", "unbind"})
"""Operators that return several views, in order."""
