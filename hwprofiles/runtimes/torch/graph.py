"""Graphs of torch.fx as the content of a file: what tables time, since exporting and reading a program takes seconds.

A graph makes the calls that the exported program of the same network makes, in the same order, on the same tensors.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any

from ...errors import ArtefactError
from .program import Program, artefact_error, library

_MARK = b"lathe torch graph 1\n"


def is_graph(content: bytes) -> bool:
    """Tell whether a file's content is a graph."""
    return content.startswith(_MARK)


def graph_bytes(module: Any, example: Sequence[Any]) -> bytes:
    """Return a graph as the content of a file.

    Args:
        module: Graph module of calls of operators, that takes and returns tensors only.
        example: A tensor for each of its inputs, in order.

    Raises:
        ArtefactError: The graph calls modules, or an argument cannot be stored.
    """
    torch, calls = library(), io.BytesIO()
    odd = [node.op for node in module.graph.nodes if node.op in ("call_module", "call_method")]
    if odd:
        raise ArtefactError(f"A graph to be timed must be calls of operators alone, but it has a {odd[0]}.")
    placeholders = [node.name for node in module.graph.nodes if node.op == "placeholder"]
    names = dict.fromkeys(node.target for node in module.graph.nodes if node.op == "get_attr")
    try:
        _Writer(calls, pickle.HIGHEST_PROTOCOL).dump(
            [(node.op, node.name, node.target, node.args, node.kwargs) for node in module.graph.nodes]
        )
        document = {
            "inputs": [
                (name, tuple(value.shape), str(value.dtype).removeprefix("torch."))
                for name, value in zip(placeholders, example, strict=True)
            ],
            "tensors": {name: _held(module, name).detach() for name in names},
            "calls": calls.getvalue(),
        }
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise artefact_error("store", error) from error
    buffer = io.BytesIO()
    torch.save(document, buffer)
    return _MARK + buffer.getvalue()


def load_graph(content: bytes) -> Program:
    """Read what `graph_bytes` wrote; its calls are pickled, so read graphs of your own only.

    Raises:
        ArtefactError: It is damaged, or names an operator that this version of torch lacks.
    """
    torch = library()
    try:
        document = torch.load(io.BytesIO(content[len(_MARK) :]), weights_only=True)
        graph = torch.fx.Graph()
        reader = _Reader(io.BytesIO(document["calls"]), graph)
        for op, name, target, args, kwargs in reader.load():
            reader.add(op, name, target, args, kwargs)
        module = torch.fx.GraphModule(document["tensors"], graph)
    except Exception as error:
        raise artefact_error("load", error) from error
    inputs = tuple((name, tuple(shape), dtype) for name, shape, dtype in document["inputs"])
    return Program(module, inputs, reader.names)


def _held(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part)
    return module


class _Writer(pickle.Pickler):
    """Writes nodes and operators by name."""

    def persistent_id(self, obj: Any) -> Any:
        torch = library()
        if isinstance(obj, torch.fx.Node):
            return "node", obj.name
        if isinstance(obj, torch._ops.OpOverload):
            return "operator", obj.namespace, obj._opname, obj._overloadname
        return None


class _Reference:
    """Stands for a node until the one that it names is made."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Reader(pickle.Unpickler):
    """Reads nodes into a graph.

    Attributes:
        names: Node of the graph -> what it was called where it was written.
    """

    def __init__(self, file: io.BytesIO, graph: Any) -> None:
        super().__init__(file)
        self._graph = graph
        self._nodes: dict[str, Any] = {}
        self.names: dict[str, str] = {}

    def persistent_load(self, pid: Any) -> Any:
        kind, *words = pid
        if kind == "node":
            return _Reference(words[0])
        namespace, operator, overload = words
        return getattr(getattr(getattr(library().ops, namespace), operator), overload)

    def add(self, op: str, name: str, target: Any, args: Any, kwargs: Any) -> None:
        """Append a node, whose arguments name those before it."""
        args, kwargs = (library().fx.node.map_aggregate(value, self._resolved) for value in (args, kwargs))
        node = self._nodes[name] = self._graph.create_node(op, target, args, kwargs, name)
        self.names[node.name] = name

    def _resolved(self, value: Any) -> Any:
        return self._nodes[value.name] if isinstance(value, _Reference) else value
