"""A network as an exported program: what the ONNX exporter reads, and what a `.pt2` file holds."""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.fx.graph import CodeGen
from torch.utils import _pytree as pytree

from hwprofiles import write_whole

from ..errors import ExportError
from ..graph.tracing import dynamic_batch, operator_name, right_states
from ..surgery import Subnet

PT2_FILE = "model.pt2"

_LEAKS = ("stack_trace", "from_node")
"""Metadata of nodes that holds source lines and paths of the machine that exported."""

_STATISTICS, _TRAINS = (3, 4), 5
"""Positions among the arguments of a normalisation: its stored statistics, and whether it takes the batch's."""


def program_of(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None, *, dynamic: bool = False
) -> ExportedProgram:
    """Export a copy of a network in eval mode; the program names no place on this machine and holds no example.

    Args:
        model: Any module that `torch.export` takes.
        args: Positional example inputs.
        kwargs: Keyword example inputs.
        dynamic: Whether axis 0 of every input may have any size; the example's must then be at least 2.

    Raises:
        Exception: Whatever `torch.export` raises.
    """
    kwargs = dict(kwargs or {})
    twin = copy.deepcopy(model).eval()
    _strip(twin)
    with torch.no_grad(), right_states():
        shapes = dynamic_batch(twin, args, kwargs) if dynamic else None
        program = torch.export.export(twin, args, kwargs, dynamic_shapes=shapes, strict=False)
    _strip(program.graph_module)
    program.example_inputs = None
    return program


def _strip(module: nn.Module) -> None:
    for part in module.modules():
        for node in part.graph.nodes if isinstance(part, fx.GraphModule) else ():
            for key in _LEAKS:
                node.meta.pop(key, None)


def write_pt2(
    model: nn.Module,
    path: Path,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic: bool = False,
) -> None:
    """Write a network as a `.pt2` file, which appears whole or not at all.

    It takes and returns what the user's network does. It holds neither example inputs nor source paths. Lathe never
    reads it: torch's loader can run code from such a file. The loader also makes a parameter of its own for each name
    of a tied one.

    Raises:
        ExportError: The network does not export.
    """
    buffer = io.BytesIO()
    try:
        with quiet():
            torch.export.save(program_of(model, args, kwargs, dynamic=dynamic), buffer)
    except Exception as exc:
        raise ExportError(
            f"A network must export with torch.export to become a .pt2 file, but {type(model).__name__} does not: "
            f"{type(exc).__name__}: {exc}"
        ) from exc
    write_whole(path, buffer.getbuffer())


def flattened(subnet: Subnet) -> fx.GraphModule:
    """Return a copy, in eval mode, that takes and returns tensors only, in the order in which structures hold them.

    Files know no dicts, flags or texts: inputs that are no tensors were written into the graph when it was traced, and
    outputs that are none do not depend on the inputs' values.
    """
    twin = copy.deepcopy(subnet).eval()
    graph = twin.graph
    graph.set_codegen(CodeGen())
    for node in list(graph.nodes):
        if node.op == "placeholder" and node.meta.get("input") is None and not node.users:
            graph.erase_node(node)
    _take_the_batchs_statistics(graph)
    output = graph.output_node()
    output.args = (tuple(leaf for leaf in pytree.tree_leaves(output.args) if is_tensor(leaf)),)
    return fx.GraphModule(twin, graph)


def _take_the_batchs_statistics(graph: fx.Graph) -> None:
    """Leave stored statistics out where a normalisation takes the batch's in evaluation, too.

    A file cannot move them, and the exporter would take a normalisation that has them for one that reads them.
    """
    for node in graph.nodes:
        if operator_name(node) in ("batch_norm", "instance_norm") and node.args[_TRAINS] is True:
            for position in _STATISTICS:
                node.update_arg(position, None)


def is_tensor(value: Any) -> bool:
    """Tell whether a value in a graph is a node that makes a tensor or some, not a size or a plain value."""
    if not isinstance(value, fx.Node):
        return False
    called = isinstance(value.target, torch._ops.OpOverload) and operator_name(value) != "sym_size"
    return value.op in ("placeholder", "get_attr") or called or operator_name(value) == "getitem"


def tensors_of(args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> tuple[torch.Tensor, ...]:
    """Return the tensors in example inputs, in order."""
    leaves = pytree.tree_leaves((tuple(args), dict(kwargs or {})))
    return tuple(leaf for leaf in leaves if isinstance(leaf, torch.Tensor))


def input_names(subnet: Subnet, positional: int) -> list[str]:
    """Return what the inputs of a subnet's file are called.

    Args:
        subnet: The network.
        positional: How many tensors are given by position: they are "input", or "input_0" and so on. Those that are
            given by keyword bear their own names.
    """
    placeholders = [n for n in subnet.graph.nodes if n.op == "placeholder" and n.meta.get("input") is not None]
    return [*numbered("input", positional), *(node.name for node in placeholders[positional:])]


def numbered(name: str, count: int) -> list[str]:
    """Return a name for each of `count` things: the name alone for one."""
    return [name] if count == 1 else [f"{name}_{i}" for i in range(count)]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the exporter says of optional libraries and of its own deprecations."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
