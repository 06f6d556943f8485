"""Why axes are frozen, put together: one cause for all the calls that freeze in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import fx

from .findings import Frozen
from .tracing import operator_name, source_line


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason for which axes keep their sizes.

    Attributes:
        reason: The reason, without the name of any one call.
        operator: The operator that is the reason, where it is one.
        nodes: Names of the calls that it holds for.
        lines: The user's own lines that those calls come from, each once; empty where none is known.
        frozen: The axes.
    """

    reason: str
    operator: str | None
    nodes: tuple[str, ...]
    lines: tuple[str, ...]
    frozen: tuple[Frozen, ...]


def causes(graph: fx.Graph, frozen: Iterable[Frozen]) -> tuple[Cause, ...]:
    """Group frozen axes by reason, in the order in which the reasons first come."""
    nodes = {node.name: node for node in graph.nodes}
    groups: dict[tuple[str, str | None], list[Frozen]] = {}
    for item in frozen:
        operator = None if item.node is None else operator_name(nodes[item.node])
        # Reasons name their call, which tells apart what is the same for all blocks of a network.
        groups.setdefault((item.reason.replace(f" ({item.node})", ""), operator), []).append(item)
    return tuple(_cause(reason, operator, group, nodes) for (reason, operator), group in groups.items())


def _cause(reason: str, operator: str | None, group: list[Frozen], nodes: Mapping[str, fx.Node]) -> Cause:
    calls = tuple(dict.fromkeys(item.node for item in group if item.node is not None))
    return Cause(reason, operator, calls, lines_of(nodes[call] for call in calls), tuple(group))


def lines_of(nodes: Iterable[fx.Node]) -> tuple[str, ...]:
    """Return the user's own lines that calls come from, each once."""
    lines = (source_line(node) for node in nodes)
    return tuple(dict.fromkeys(line for line in lines if line is not None))
