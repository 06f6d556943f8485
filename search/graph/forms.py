"""What a network's graph becomes under structure choices: the one place that says so.

A **structure choice** says which calls there are; a width says only how large they are. So far blocks can be chosen: a
removed one is its addition replaced by the path that stays, and what nothing needs any more goes. Prices, sliced files,
cut networks and proofs all read what `edited` returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from torch import fx

from .candidate import Choices
from .findings import Block, Dim
from .remembered import remembered


@dataclass(frozen=True, slots=True)
class Edited:
    """A graph under structure choices; nodes are told by their names.

    Attributes:
        replaced: Call that is replaced -> what is read in its place, which itself is not replaced.
        live: Nodes that the output still needs.
        read: Paths of the parameters and buffers, and of the nested graphs, that these nodes stand for.
        hidden: Names of the dims that vanish, for none of these carries them.
    """

    replaced: Mapping[str, str]
    live: frozenset[str]
    read: frozenset[str]
    hidden: frozenset[str]


class Editable(Protocol):
    """What of a blueprint tells how its graph is edited."""

    @property
    def graph(self) -> fx.Graph:
        """The unpruned graph."""

    @property
    def dims(self) -> tuple[Dim, ...]:
        """What can be cut."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What can be removed."""


def edited(blueprint: Editable, choices: Choices) -> Edited:
    """Return what a blueprint's graph becomes under structure choices.

    Raises:
        ValueError: A choice is for a block that the blueprint does not have.
    """
    unknown = choices.removed - {block.name for block in blueprint.blocks}
    if unknown:
        raise ValueError(f"A choice is made for blocks that there are, but these are none: {sorted(unknown)}.")
    return _edited(blueprint, choices)


@remembered
def _edited(blueprint: Editable, choices: Choices) -> Edited:
    replaced = _replaced(blueprint.blocks, choices)
    live = _live(blueprint.graph, replaced)
    read = frozenset(str(n.target) for n in blueprint.graph.nodes if n.op == "get_attr" and n.name in live)
    # Without a choice nothing vanishes, not even what only a call reads that the output does not need.
    hidden = [dim.name for dim in blueprint.dims if replaced and not any(name in read for name, _ in dim.carriers)]
    return Edited(MappingProxyType(replaced), live, read, frozenset(hidden))


def _replaced(blocks: Sequence[Block], choices: Choices) -> dict[str, str]:
    """Return the addition of each removed block -> what stays."""
    stays = {block.addition: block.stays for block in blocks if block.name in choices.removed}
    return {addition: _followed(addition, stays) for addition in stays}


def _followed(name: str, stays: Mapping[str, str]) -> str:
    """What stays may itself be the addition of a removed block, where blocks follow each other directly."""
    while name in stays:
        name = stays[name]
    return name


def _live(graph: fx.Graph, replaced: Mapping[str, str]) -> frozenset[str]:
    """Return the nodes that the output needs; what is replaced is none of them."""
    needed = {graph.output_node().name}
    for node in reversed(graph.nodes):
        if node.name in replaced and node.name in needed:
            needed.add(replaced[node.name])
        elif node.name in needed:
            needed.update(source.name for source in node.all_input_nodes)
    return frozenset(needed - replaced.keys())
