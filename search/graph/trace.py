"""From a user's model to one flat graph of ATen calls that can be edited.

`torch.export` gives the graph; here it becomes a plain `torch.fx.GraphModule` with a dynamic batch, functional
wherever that is provably the same, without assertions on types and without dead code. The user's model is copied
first and is never changed.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram, export

from ..errors import ModelError
from .module import copy_graph

_ASSERTIONS = frozenset({"_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range_for_size"})
_LIBRARIES = tuple(f"{Path(file).parent}/" for file in (torch.__file__, Path(__file__).parent))
"""Folders of torch and of Lathe: a line in them is not the user's."""

_MAYBE_ALIAS = frozenset({"dropout", "feature_dropout", "alpha_dropout"})


@dataclass(frozen=True, slots=True)
class Trace:
    """A model as an editable graph.

    Attributes:
        module: Plain graph module; parameters are copies of the user's.
        static_batch: Why the batch is fixed to the example's, or None where it is dynamic.
        example: The arguments that the graph was traced with (batch of at least 2 where the batch is dynamic).
    """

    module: fx.GraphModule
    static_batch: str | None
    example: tuple[Any, ...]
    example_kwargs: Mapping[str, Any]


def trace(model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None = None) -> Trace:
    """Export a copy of `model` in eval mode and make the result editable.

    Args:
        model: Any module that `torch.export` takes.
        args: A tensor or a tuple of positional arguments; axis 0 of each tensor is the batch.
        kwargs: Keyword arguments.

    Raises:
        ModelError: The model cannot be copied, does not run on these inputs, or does not export; the message names
            the user's line at fault.
    """
    positional = args if isinstance(args, tuple) else (args,)
    try:
        twin = copy.deepcopy(model).eval()
    except Exception as exc:
        raise ModelError(
            f"A model is copied before it is analysed, but copying {type(model).__name__} failed: {exc}"
        ) from exc
    positional, keywords = _two_of_each(positional), {name: _two_of_each((v,))[0] for name, v in (kwargs or {}).items()}
    _check_runs(twin, positional, keywords)
    program, static = _export(twin, positional, keywords)
    source = program.module(check_guards=False)
    module = fx.GraphModule(source, copy_graph(source.graph)[0])
    _note_inputs(module.graph)
    _drop_assertions(module.graph)
    make_functional(module.graph)
    drop_dead(module)
    return Trace(module, static, positional, keywords)


def _note_inputs(graph: fx.Graph) -> None:
    """Write the shape (without the batch) and type of each input tensor where copies of the graph keep them."""
    for node in graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and isinstance(value, torch.Tensor):
            node.meta["input"] = (tuple(value.shape[1:]), value.dtype)


def _two_of_each(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Double a batch of 1: export takes sizes 0 and 1 for constants."""
    return tuple(torch.cat([x, x]) if isinstance(x, torch.Tensor) and x.dim() and x.shape[0] == 1 else x for x in args)


def _check_runs(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    except Exception as exc:
        shapes = [
            list(x.shape[1:]) if isinstance(x, torch.Tensor) else type(x).__name__ for x in (*args, *kwargs.values())
        ]
        raise ModelError(
            f"The model must run on its example input, but with inputs of shape {shapes} (without the batch) it raised "
            f"{type(exc).__name__}: {_first_line(exc)}{user_line(exc)}. Check `input` in [model]."
        ) from exc


def _export(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[ExportedProgram, str | None]:
    batch = Dim("batch", min=1)
    spec = tuple(_batch_axis(x, batch) for x in args), {name: _batch_axis(x, batch) for name, x in kwargs.items()}
    shapes = (*spec[0], *spec[1].values())
    try:
        return export(model, args, dict(kwargs), dynamic_shapes=shapes, strict=False), None
    except Exception as dynamic:
        reason = f"the model fixes its batch: {_first_line(dynamic)}"
        try:
            return export(model, args, dict(kwargs), strict=False), reason
        except Exception as exc:
            raise ModelError(
                f"A model must export with torch.export, but {type(model).__name__} does not: {type(exc).__name__}: "
                f"{_first_line(exc)}{user_line(exc)}. Data-dependent control flow has to become tensor operations."
            ) from exc


def _batch_axis(value: Any, batch: Any) -> Any:
    return {0: batch} if isinstance(value, torch.Tensor) and value.dim() else None


def _first_line(exc: BaseException) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0] if lines else type(exc).__name__


def user_line(exc: BaseException) -> str:
    """Return where in the user's own code an exception came up, as " (at file:line: code)"."""
    frames = [f for f in traceback.extract_tb(exc.__traceback__) if not _is_ours(f.filename)]
    if not frames:
        return ""
    last = frames[-1]
    return f" (at {last.filename}:{last.lineno}: {last.line})"


def _is_ours(filename: str) -> bool:
    return filename.startswith(("<", *_LIBRARIES))


# ---- making the graph functional -------------------------------------------------------------------------------------


def _drop_assertions(graph: fx.Graph) -> None:
    for node in list(graph.nodes):
        if operator_name(node) in _ASSERTIONS and not node.users:
            graph.erase_node(node)


def operator_name(node: fx.Node) -> str:
    """Return the operator of a call without its overload ("conv2d"), or the Python function's name; else ""."""
    if node.op != "call_function":
        return ""
    packet = getattr(node.target, "overloadpacket", None)
    return packet.__name__ if packet is not None else getattr(node.target, "__name__", str(node.target))


def is_mutable(node: fx.Node) -> bool:
    """Tell whether a call writes to one of its arguments."""
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and bool(schema.is_mutable)


def make_functional(graph: fx.Graph) -> None:
    """Turn `op_` into `op` where nothing that is read later shares the memory that `op_` writes.

    The others stay as they are (the axes they touch are frozen later): renaming them would change results silently.
    """
    order = {node: i for i, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        functional = _functional_variant(node)
        if functional is not None and not _written_is_read_later(node, order):
            node.target = functional


def _functional_variant(node: fx.Node) -> Any:
    if not is_mutable(node) or not operator_name(node).endswith("_"):
        return None
    overload = node.target
    packet = getattr(torch.ops.aten, operator_name(node)[:-1], None)
    return getattr(packet, overload._overloadname, None) if packet is not None else None  # type: ignore[union-attr]


def _written_is_read_later(node: fx.Node, order: Mapping[fx.Node, int]) -> bool:
    written = node.args[0]
    if not isinstance(written, fx.Node):
        return True
    family = _same_memory(written)
    if any(member.op in ("placeholder", "get_attr") for member in family):
        return True
    readers = {user for member in family for user in member.users if user is not node and user not in family}
    return any(order[user] > order[node] for user in readers)


def _same_memory(node: fx.Node) -> set[fx.Node]:
    """Return the nodes that may share a node's memory: what it is a view of, and all views of that."""
    base = node
    while may_alias(base) and base.args and isinstance(base.args[0], fx.Node):
        base = base.args[0]
    family, pending = {base}, [base]
    while pending:
        for user in pending.pop().users:
            if may_alias(user) and user not in family:
                family.add(user)
                pending.append(user)
    return family | {node}


def may_alias(node: fx.Node) -> bool:
    """Tell whether a call may return its first argument's memory without writing to it."""
    if node.op != "call_function" or is_mutable(node):
        return False
    if operator_name(node) in _MAYBE_ALIAS or operator_name(node) == "getitem":
        return True
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(result.alias_info is not None for result in schema.returns)


# ---- dead code -------------------------------------------------------------------------------------------------------


def drop_dead_calls(graph: fx.Graph) -> None:
    """Remove the calls that nothing reads, random ones too; those that write to memory stay."""
    graph.eliminate_dead_code(is_impure_node=lambda n: n.op in ("placeholder", "output") or is_mutable(n))
    graph.lint()


def drop_dead(module: fx.GraphModule) -> None:
    """Remove dead calls, then unread parameters, buffers and empty submodules."""
    drop_dead_calls(module.graph)
    read = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    for path, owner in list(module.named_modules()):
        for table in (owner._parameters, owner._buffers):
            for name in list(table):
                if _dotted(path, name) not in read:
                    del table[name]
    _drop_empty(module, "", read)
    module.recompile()


def _drop_empty(module: nn.Module, path: str, read: set[str]) -> None:
    for name, child in list(module._modules.items()):
        child_path = _dotted(path, name)
        if child is None or child_path in read:
            continue
        _drop_empty(child, child_path, read)
        if not any((child._parameters, child._buffers, child._modules)) and not _has_constants(child):
            del module._modules[name]


def _has_constants(module: nn.Module) -> bool:
    return any(isinstance(value, torch.Tensor) for value in vars(module).values())


def _dotted(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
