"""Exported programs of candidates, for runtimes that take them, or their graphs; weights are random."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import fx

from hwprofiles import ArtefactError, graph_bytes

from ...deploy.program_file import Values, fixed, program_bytes, program_content
from ...errors import ExportError
from ...graph import Blueprint, Candidate, full
from ...graph.pieces import piece_nodes
from ...surgery import Subnet
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
        return self._content(*fixed(self._weights.network(candidate), self._batch))

    def part(self, candidate: Candidate, pieces: frozenset[str]) -> bytes:
        """Return the program of some pieces' calls only, or of the whole network where they cannot be cut out."""
        whole, example = fixed(self._weights.network(candidate), self._batch)
        owners = piece_nodes(self._blueprint, candidate.choices)
        found = _extracted(whole, example, {name for name, piece in owners.items() if piece in pieces})
        return self._content(whole, example) if found is None else self._content(*found)

    def nodes(self, candidate: Candidate) -> dict[str, tuple[str, ...]]:
        """Return piece node name -> names of the calls that belong to it in a candidate's program."""
        found: dict[str, list[str]] = {}
        for name, piece in piece_nodes(self._blueprint, candidate.choices).items():
            found.setdefault(piece, []).append(name)
        return {piece: tuple(names) for piece, names in found.items()}

    def _content(self, network: fx.GraphModule, example: tuple[torch.Tensor, ...]) -> bytes:
        return program_content(network, example)


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
    values = Values(network, {node.name for node in read}).of(example)
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
