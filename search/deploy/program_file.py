"""A network's program as the content of a file, for runtimes that take programs."""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from typing import Any

import torch
from torch import fx

from hwprofiles import VALUES_FILE

from ..errors import ExportError
from ..surgery import Subnet
from .program import flattened, is_tensor, program_of, quiet


def program_bytes(network: Subnet, batch: int) -> bytes:
    """Return a network's program as the content of a file.

    Args:
        network: Takes and returns anything; the program takes and returns tensors.
        batch: Its batch size.

    Raises:
        ExportError: It does not export.
    """
    return program_content(*fixed(network, batch))


def program_content(network: fx.GraphModule, example: tuple[torch.Tensor, ...]) -> bytes:
    """Return a network's program as the content of a file.

    Raises:
        ExportError: It does not export.
    """
    buffer = io.BytesIO()
    try:
        with quiet():
            program = program_of(network, example)
            names = _names(network, program.graph)
            torch.export.save(program, buffer, extra_files={VALUES_FILE: json.dumps(names)})
    except Exception as exc:
        raise ExportError(f"A network must export with torch.export, but: {type(exc).__name__}: {exc}") from exc
    return buffer.getvalue()


def fixed(network: Subnet, batch: int) -> tuple[fx.GraphModule, tuple[torch.Tensor, ...]]:
    """Return a network of tensors only, with sizes written out as numbers as exporters do, and its example inputs."""
    whole, example = flattened(network), network.example(batch)
    sizes = [node for node in whole.graph.nodes if node.op == "call_function" and not is_tensor(node)]
    if not sizes:
        return whole, example
    values = Values(whole, {node.name for node in sizes}).of(example)
    graph, copies = fx.Graph(), {node: values[node.name] for node in sizes}
    for node in whole.graph.nodes:
        if node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    return fx.GraphModule(whole, graph), example


class Values(fx.Interpreter):
    """Runs a network and keeps some of its values."""

    def __init__(self, network: fx.GraphModule, names: Collection[str]) -> None:
        super().__init__(network)
        self._names, self._found = names, dict[str, Any]()

    def of(self, example: tuple[torch.Tensor, ...]) -> dict[str, Any]:
        """Return name -> value for these inputs."""
        with torch.no_grad():
            self.run(*example)
        return self._found

    def run_node(self, n: fx.Node) -> Any:
        """Run one node, and keep its value where it was asked for."""
        found = super().run_node(n)
        if n.name in self._names:
            self._found[n.name] = found
        return found


def _names(network: fx.GraphModule, graph: fx.Graph) -> dict[str, str]:
    """Return call in the program -> call in the network, told by their order.

    Raises:
        ExportError: The exporter made other calls.
    """
    before, after = _calls(network.graph), _calls(graph)
    if [target for _, target in before] != [target for _, target in after]:
        raise ExportError("The exporter changed the calls of the network, so none can be told from another.")
    return {new: old for (old, _), (new, _) in zip(before, after, strict=True)}


def _calls(graph: fx.Graph) -> list[tuple[str, Any]]:
    return [(node.name, node.target) for node in graph.nodes if node.op == "call_function"]
