"""Exported programs of candidates, for runtimes that take them, or their graphs; weights are random."""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from typing import Any

import torch
from torch import fx

from hwprofiles import VALUES_FILE, ArtefactError, graph_bytes

from ...errors import ExportError
from ...graph import Blueprint, Candidate, full
from ...graph.keys import unit_nodes
from ...surgery import Subnet
from ..program import flattened, is_tensor, program_of, quiet
from .reference import Weights


class ProgramSlicer:
    """Makes the exported program of any candidate of a blueprint, by cutting and exporting it."""

    def __init__(self, blueprint: Blueprint, batch: int, seed: int = 0) -> None:
        """Export the unpruned network, so that one that does not export is refused at once.

        Raises:
            ExportError: The network does not export.
        """
        self._blueprint, self._batch = blueprint, batch
        self._weights = Weights.draw(blueprint, batch, seed)
        self.slice(full(blueprint))

    def network(self) -> Subnet:
        """Return the unpruned network with the weights that its file has."""
        return self._weights.network(full(self._blueprint))

    def slice(self, candidate: Candidate) -> bytes:
        """Return the program of a candidate's network as the content of a file.

        Raises:
            ValueError: The candidate does not belong to the blueprint.
            ExportError: It does not export.
        """
        self._blueprint.check(candidate)
        return self._content(*_fixed(self._weights.network(candidate), self._batch))

    def part(self, candidate: Candidate, units: frozenset[str]) -> bytes:
        """Return the program of some units' calls only, or of the whole network where they cannot be cut out."""
        whole, example = _fixed(self._weights.network(candidate), self._batch)
        owners = unit_nodes(self._blueprint, candidate.removed)
        found = _extracted(whole, example, {name for name, unit in owners.items() if unit in units})
        return self._content(whole, example) if found is None else self._content(*found)

    def nodes(self, candidate: Candidate) -> dict[str, tuple[str, ...]]:
        """Return unit node name -> names of the calls that belong to it in a candidate's program."""
        found: dict[str, list[str]] = {}
        for name, unit in unit_nodes(self._blueprint, candidate.removed).items():
            found.setdefault(unit, []).append(name)
        return {unit: tuple(names) for unit, names in found.items()}

    def _content(self, network: fx.GraphModule, example: tuple[torch.Tensor, ...]) -> bytes:
        return _program(network, example)


class GraphSlicer(ProgramSlicer):
    """Makes the graph of any candidate of a blueprint: the calls of its exported program, which is not made.

    That they are the same calls is checked on the unpruned network, which is exported for that.
    """

    def __init__(self, blueprint: Blueprint, batch: int, seed: int = 0) -> None:
        super().__init__(blueprint, batch, seed)
        program_bytes(self.network(), batch)

    def _content(self, network: fx.GraphModule, example: tuple[torch.Tensor, ...]) -> bytes:
        try:
            return graph_bytes(network, example)
        except ArtefactError as exc:
            raise ExportError(f"A network must be a graph of plain calls to be timed, but: {exc}") from exc


def program_bytes(network: Subnet, batch: int) -> bytes:
    """Return a network's program as the content of a file.

    Args:
        network: Takes and returns anything; the program takes and returns tensors.
        batch: Its batch size.

    Raises:
        ExportError: It does not export.
    """
    return _program(*_fixed(network, batch))


def _program(network: fx.GraphModule, example: tuple[torch.Tensor, ...]) -> bytes:
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


def _fixed(network: Subnet, batch: int) -> tuple[fx.GraphModule, tuple[torch.Tensor, ...]]:
    """Return a network of tensors only, with sizes written out as numbers as exporters do, and its example inputs."""
    whole, example = flattened(network), network.example(batch)
    sizes = [node for node in whole.graph.nodes if node.op == "call_function" and not is_tensor(node)]
    if not sizes:
        return whole, example
    values = _Values(whole, {node.name for node in sizes}).of(example)
    graph, copies = fx.Graph(), {node: values[node.name] for node in sizes}
    for node in whole.graph.nodes:
        if node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    return fx.GraphModule(whole, graph), example


def _extracted(
    network: fx.GraphModule, example: tuple[torch.Tensor, ...], names: Collection[str]
) -> tuple[fx.GraphModule, tuple[torch.Tensor, ...]] | None:
    """Return the network of some calls only, and its example inputs: what those calls read from others.

    Returns:
        None where the calls read or make something that is no tensor, or nobody reads.
    """
    inside = [node for node in network.graph.nodes if node.name in names]
    read = dict.fromkeys(
        source
        for node in inside
        for source in node.all_input_nodes
        if source.name not in names and source.op != "get_attr"
    )
    made = [node for node in inside if not set(node.users) & set(inside)]
    values = _Values(network, {node.name for node in read}).of(example)
    if not read or not made or not all(isinstance(values.get(node.name), torch.Tensor) for node in read):
        return None
    graph = fx.Graph()
    copies = {node: graph.placeholder(node.name) for node in read}
    for node in network.graph.nodes:
        holds = node.op == "get_attr" and any(user.name in names for user in node.users)
        if holds or node.name in names:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(tuple(copies[node] for node in made))
    return fx.GraphModule(network, graph), tuple(values[node.name] for node in read)


class _Values(fx.Interpreter):
    """Runs a network and keeps some of its values."""

    def __init__(self, network: fx.GraphModule, names: Collection[str]) -> None:
        super().__init__(network)
        self._names, self._found = names, dict[str, Any]()

    def of(self, example: tuple[torch.Tensor, ...]) -> dict[str, Any]:
        with torch.no_grad():
            self.run(*example)
        return self._found

    def run_node(self, n: fx.Node) -> Any:
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
