"""Autocast as calls: what a region casts before each of its calls is written out, and the region needs no autocast.

What is cast is not looked up in lists of operators: each call runs once on stand-ins with autocast switched on, and the
casts that torch makes of its arguments are watched. That holds for each policy (narrower, float32, the widest type
that comes) and for each kind of device: autocast for one leaves tensors on another alone. The graph then computes the
same to the bit. Where autocast casts what an operator of many steps computes inside, that operator computes in float32
and its results are rounded: this differs from autocast by the rounding of the narrower type, and users are told.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ..module import attribute
from .calls import is_mutable, is_region, operator_name

AUTOCAST = "wrap_with_autocast"
_KIND, _TYPE, _ENABLED = range(3)
"""Positions of a region's arguments: the kind of device, the type, whether it is switched on."""

_BODIES = {AUTOCAST: 4, "wrap_with_set_grad_enabled": 1}
"""Region that runs its nested graph just once -> position of that."""

States = Mapping[str, torch.dtype]
"""Kind of device -> type that autocast is on for."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What is done to a call.

    Attributes:
        node: The call.
        casts: What is cast of what it reads.
        told: The type that it is told to compute in.
        back: Whether its results are cast to the types that they had.
    """

    node: fx.Node
    casts: Mapping[fx.Node, torch.dtype]
    told: torch.dtype | None = None
    back: bool = False


_Plan = list[_Change]

_aten = torch.ops.aten

_SINGLE = frozenset({torch.float16, torch.bfloat16, torch.float32})
"""Types whose numbers float32 holds."""

_COPIES = frozenset({_aten.clone.default, _aten._unsafe_view.default, _aten._reshape_copy.default})
"""Calls that copy numbers in another arrangement."""


def write_casts(module: nn.Module, region: fx.Node, outer: States | None = None) -> str | None:
    """Write out what autocast does in a region and in those nested in it, and switch it off there.

    Returns:
        Why nothing was changed; None where it could be done.
    """
    plan, switches = list[_Change](), list[fx.Node]()
    reason = _planned(module, region, outer or {}, plan, switches)
    if reason is None:
        for change in plan:
            _apply(change)
        for node in switches:
            node.update_arg(_ENABLED, False)
            node.meta["cast"] = [operator_name(change.node) for change in plan if change.back]
    return reason


def is_switched_on(node: fx.Node) -> bool:
    """Tell whether a call is a region with autocast."""
    return operator_name(node) == AUTOCAST and node.args[_ENABLED] is not False


def _planned(module: nn.Module, region: fx.Node, outer: States, plan: _Plan, switches: list[fx.Node]) -> str | None:
    position = _BODIES.get(operator_name(region))
    reader: Any = region.args[position] if position is not None else None
    body = attribute(module, str(reader.target)) if isinstance(reader, fx.Node) and reader.op == "get_attr" else None
    if not isinstance(body, fx.GraphModule) or len(reader.users) > 1:
        return "it holds a nested graph that is no region of gradients or autocast."
    states = _inside(region, outer)
    switches += [region] * is_switched_on(region)
    for node in body.graph.nodes:
        reason = _planned(body, node, states, plan, switches) if is_region(node) else _watched(body, node, states, plan)
        if reason is not None:
            return reason
    return None


def _inside(region: fx.Node, outer: States) -> States:
    """Return for which devices autocast is on inside a region: it speaks of its own kind only."""
    if operator_name(region) != AUTOCAST:
        return outer
    kind: Any = region.args[_KIND]
    rest = {device: dtype for device, dtype in outer.items() if device != kind}
    return {**rest, kind: region.args[_TYPE]} if is_switched_on(region) else rest  # type: ignore[dict-item]


def _watched(body: nn.Module, node: fx.Node, states: States, plan: _Plan) -> str | None:
    """Plan the casts before one call; return why that cannot be done."""
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload) or not states:
        return None
    values = {source: _value(body, source) for source in node.all_input_nodes}
    if not any(isinstance(value, torch.Tensor) for value in values.values()):
        return None
    try:
        change = _copied(node, values, states) or _in_float32(node, values)
    except Exception as exc:
        return f"what autocast does to {operator_name(node)} ({node.name}) is not known ({type(exc).__name__})."
    if change is None:
        return f"what autocast does inside {operator_name(node)} ({node.name}) is no cast of its arguments."
    if change.casts and is_mutable(node):
        return f"autocast casts what {operator_name(node)} ({node.name}) writes to."
    plan.append(change)
    return None


def _copied(node: fx.Node, values: Mapping[fx.Node, Any], states: States) -> _Change | None:
    """Return what makes a call do all that it does under autocast; None where no cast of what it reads does that."""
    try:
        wanted = _seen(node, values, states)
        casts = _casts_of(node, values, wanted)
        cast = _as_cast(values, casts)
        if _seen(node, cast, {}).calls == wanted.calls:
            return _Change(node, casts)
        told = _told_type(node)
        found = None if told is None else _seen(node, cast, {}, told)
    except RuntimeError:
        return None  # Not all operators run on stand-ins of several types.
    return _Change(node, casts, told) if found is not None and found.calls == wanted.calls else None


def _in_float32(node: fx.Node, values: Mapping[fx.Node, Any]) -> _Change | None:
    """Return what makes a call compute in float32 and round its results, as nothing else is as near to autocast.

    That is for operators of many steps, such as recurrent layers, some of which autocast narrows.
    """
    floats = {n: v for n, v in values.items() if isinstance(v, torch.Tensor) and v.is_floating_point()}
    if is_mutable(node) or not {value.dtype for value in floats.values()} <= _SINGLE:
        return None
    casts = {source: torch.float32 for source, value in floats.items() if value.dtype != torch.float32}
    return _Change(node, casts, back=True)


def _as_cast(values: Mapping[fx.Node, Any], casts: Mapping[fx.Node, torch.dtype]) -> dict[fx.Node, Any]:
    return {source: value.to(casts[source]) if source in casts else value for source, value in values.items()}


def _value(body: nn.Module, node: fx.Node) -> Any:
    return node.meta["val"] if "val" in node.meta else attribute(body, str(node.target))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the memories that are cast, and to what; and all other calls, with the types of their results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.casts: dict[int, torch.dtype] = {}
        self.calls: list[tuple[object, list[torch.dtype]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func is _aten._to_copy.default and kwargs.get("dtype") is not None:
            self.casts.setdefault(_memory(args[0]), kwargs["dtype"])
        elif _computes(func) and (made := _types(result)):
            self.calls.append((func, made))
        return result


def _types(result: Any) -> list[torch.dtype]:
    return [leaf.dtype for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]


def _computes(func: Any) -> bool:
    """Tell whether a call makes numbers: what only rearranges them may stand before a cast or behind it."""
    return func not in _COPIES and all(result.alias_info is None for result in func._schema.returns)


def _memory(tensor: torch.Tensor) -> int:
    """Return what a tensor and its views have in common."""
    return int(tensor.untyped_storage()._cdata)


def _seen(node: fx.Node, values: Mapping[fx.Node, Any], states: States, told: torch.dtype | None = None) -> _Watch:
    """Run a call on stand-ins under autocast, and watch it."""
    kinds = {value.device.type for value in values.values() if isinstance(value, torch.Tensor)}
    args, kwargs = fx.map_arg((node.args, dict(node.kwargs)), lambda n: values[n])
    kwargs = dict(kwargs) if told is None else {**kwargs, "dtype": told}
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in kinds & states.keys():
            stack.enter_context(torch.autocast(kind, states[kind], cache_enabled=False))
        watch: _Watch = stack.enter_context(_Watch())
        node.target(*args, **kwargs)  # type: ignore[operator]
    return watch


def _casts_of(node: fx.Node, values: Mapping[fx.Node, Any], wanted: _Watch) -> dict[fx.Node, torch.dtype]:
    """Return what torch casts of the tensors that a call reads, beyond what the operator casts by itself."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        by_itself = _seen(node, values, {}).casts
    except RuntimeError:
        by_itself = {}  # It does not take these types without autocast.
    finally:
        log.setLevel(level)
    found = {memory: dtype for memory, dtype in wanted.casts.items() if by_itself.get(memory) != dtype}
    tensors = {source: value for source, value in values.items() if isinstance(value, torch.Tensor)}
    return {
        source: found[_memory(value)]
        for source, value in tensors.items()
        if value.is_floating_point() and found.get(_memory(value), value.dtype) != value.dtype
    }


def _told_type(node: fx.Node) -> torch.dtype | None:
    """Return the type that autocast may tell a call to compute in; None where it takes none."""
    takes = "dtype" in {argument.name for argument in node.target._schema.arguments}  # type: ignore[union-attr]
    value = node.meta["val"]
    return value.dtype if takes and isinstance(value, torch.Tensor) else None


def _apply(change: _Change) -> None:
    node = change.node
    for source, dtype in change.casts.items():
        with node.graph.inserting_before(node):
            made = _to(source, dtype, node)
        node.replace_input_with(source, made)
    if change.told is not None:
        node.update_kwarg("dtype", change.told)
    if change.back:
        results = [node] if isinstance(node.meta["val"], torch.Tensor) else list(node.users)
        for result in results:
            _round(result)
        node.meta["val"] = pytree.tree_map_only(torch.Tensor, _single, node.meta["val"])


def _to(source: fx.Node, dtype: torch.dtype, like: fx.Node) -> fx.Node:
    made = like.graph.call_function(_aten.to.dtype, (source, dtype))
    made.meta.update({key: value for key, value in like.meta.items() if key != "val"})
    if "val" in source.meta:
        made.meta["val"] = source.meta["val"].to(dtype)
    return made


def _round(result: fx.Node) -> None:
    """Let the readers of a result that is float32 now read it in the type that it had."""
    value = result.meta["val"]
    if value.dtype in _SINGLE and value.dtype != torch.float32:
        result.meta["val"] = _single(value)
        with result.graph.inserting_after(result):
            made = _to(result, value.dtype, result)
        result.replace_all_uses_with(made, delete_user_cb=lambda user: user is not made)


def _single(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype in _SINGLE else value
