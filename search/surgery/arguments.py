"""What a stored graph hands to its operators, held against their schemas before anything is called.

Torch would check most of it while it runs. Here it is checked while it is read, and that tensors are asked for on the
CPU, in strides and of ordinary types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import fx

from hwprofiles import shown

from ..errors import BundleError

Kind = Literal["tensor", "tensors", "number", "any"]
"""What a node of a graph makes; "any" is an input that nothing is known of."""

_DEVICES = frozenset({"cpu", "meta"})
_QUANTISED = frozenset({torch.qint8, torch.quint8, torch.qint32, torch.quint4x2, torch.quint2x4})

_FITS: Mapping[str, tuple[tuple[type, ...], tuple[Kind, ...]]] = {
    # Torch takes a number for a tensor of one element.
    "TensorType": ((int, float), ("tensor", "number")),
    "NumberType": ((int, float), ("number", "tensor")),
    "IntType": ((int,), ("number",)),
    "SymIntType": ((int,), ("number",)),
    "FloatType": ((int, float), ("number",)),
    "BoolType": ((bool,), ("number",)),
    "StringType": ((str,), ()),
    "ScalarTypeType": ((torch.dtype,), ()),
    "LayoutType": ((torch.layout,), ()),
    "MemoryFormatType": ((torch.memory_format,), ()),
    "DeviceObjType": ((torch.device,), ()),
}
"""Type of a parameter -> types of literals, and kinds of nodes, that it takes."""


def kind_of(node: fx.Node, kinds: Mapping[fx.Node, Kind]) -> Kind:
    """Return what a node makes, given what the nodes before it make.

    Raises:
        BundleError: A call's arguments are not what its operator takes.
    """
    if node.op == "get_attr":
        return "tensor"
    if node.op == "placeholder":
        return "any" if node.meta.get("input") is None else "tensor"
    if node.op != "call_function":
        return "any"
    if isinstance(node.target, torch._ops.OpOverload):
        check_arguments(node, kinds)
        return _returned(node.target._schema)
    return _computed(node, kinds)


def check_arguments(node: fx.Node, kinds: Mapping[fx.Node, Kind]) -> None:
    """Check the arguments of a call of an ATen operator.

    Raises:
        BundleError: One is missing, unknown, given twice or of another type.
    """
    target: Any = node.target
    schema = target._schema
    positional = [argument.name for argument in schema.arguments if not argument.kwarg_only]
    if len(node.args) > len(positional):
        raise _unfit(node, f"takes {len(positional)} arguments by position, but got {len(node.args)}")
    given: dict[str, Any] = dict(zip(positional, node.args, strict=False))
    twice, known = given.keys() & node.kwargs.keys(), {argument.name for argument in schema.arguments}
    if odd := sorted(twice | (node.kwargs.keys() - known)):
        raise _unfit(node, f"is handed {shown(odd[0])}, which it does not take or has already")
    given |= node.kwargs
    for argument in schema.arguments:
        if argument.name not in given:
            if not argument.has_default_value():
                raise _unfit(node, f"needs `{argument.name}`, but it is missing")
        elif not _fits(given[argument.name], argument.real_type, argument.N is not None, kinds):
            value = given[argument.name]
            raise _unfit(node, f"takes {argument.real_type} as `{argument.name}`, but got {shown(value)}")


def _fits(value: Any, kind: Any, spread: bool, kinds: Mapping[fx.Node, Kind]) -> bool:
    """Tell whether a parameter takes a value.

    Args:
        value: A literal, a node, or lists of them.
        kind: Type of the parameter.
        spread: Whether one element may stand for a list of equal ones.
        kinds: What the nodes make.
    """
    name = kind.kind()
    if name == "OptionalType":
        return value is None or _fits(value, kind.getElementType(), spread, kinds)
    if name == "ListType":
        if isinstance(value, fx.Node) and kinds[value] in ("tensors", "any"):
            return True
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,) if spread else None
        return items is not None and all(_fits(item, kind.getElementType(), False, kinds) for item in items)
    literals, made = _FITS.get(name, ((), ()))
    if isinstance(value, fx.Node):
        return kinds[value] == "any" or kinds[value] in made
    return isinstance(value, literals) and _is_ordinary(value)


def _is_ordinary(value: Any) -> bool:
    if isinstance(value, torch.device):
        return value.type in _DEVICES
    if isinstance(value, torch.layout):
        return value is torch.strided
    return value not in _QUANTISED


def _returned(schema: Any) -> Kind:
    if len(schema.returns) != 1:
        return "tensors"
    name = schema.returns[0].type.kind()
    return "tensor" if name == "TensorType" else "tensors" if name == "ListType" else "number"


def _computed(node: fx.Node, kinds: Mapping[fx.Node, Kind]) -> Kind:
    """Return what arithmetic of Python's makes; `getitem` takes a part of what an operator returned."""
    found = [kinds[value] if isinstance(value, fx.Node) else "number" for value in node.args]
    numbers = all(isinstance(value, fx.Node | int | float) for value in node.args)
    if node.kwargs or not 1 <= len(found) <= 2 or not numbers:
        raise _unfit(node, f"takes one or two numbers, but got {shown(node.args)}")
    if getattr(node.target, "__name__", "") == "getitem":
        if found[0] not in ("tensors", "any") or not isinstance(node.args[1], int):
            raise _unfit(node, f"takes several tensors and a place among them, but got {shown(node.args)}")
        return "tensor" if found[0] == "tensors" else "any"
    if "tensors" in found:
        raise _unfit(node, f"takes numbers, but got {shown(node.args)}")
    return "any" if "any" in found else "tensor" if "tensor" in found else "number"


def _unfit(node: fx.Node, what: str) -> BundleError:
    return BundleError(f"A stored graph calls operators as their schemas say; {node.target} {what} at {node.name!r}.")
