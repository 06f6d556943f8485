"""Find the residual branches that can be removed.

A block is an addition of two tensors of one shape. Everything that its branch reads from the input passes through one
tensor, the trunk (the trunk *dominates* the branch). Either the trunk is the other operand (an identity block), or
both operands are branches of one trunk and just one of them is a linear path without an activation, as in the first
block of a stage: then that downsampling path stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import fx

from .axes import Size
from .blueprint import Block, Blueprint, Dim, NotRemovable
from .restrict import Restriction, module_of
from .rules import NONLINEAR
from .trace import operator_name


def find_blocks(
    blueprint: Blueprint, restriction: Restriction | None = None
) -> tuple[tuple[Block, ...], tuple[NotRemovable, ...]]:
    """Return the removable blocks in graph order, and the additions that are none, with the reason."""
    flow = _Flow(blueprint)
    restriction = restriction or Restriction()
    names = _names(list(flow.additions()))
    carried: dict[str, list[Dim]] = {}
    for dim in blueprint.dims:
        for parameter in {parameter for parameter, _ in dim.carriers}:
            carried.setdefault(parameter, []).append(dim)
    blocks, refused = [], []
    for node, name in names.items():
        stays = flow.what_stays(node)
        if isinstance(stays, str):
            refused.append(NotRemovable(name, stays))
            continue
        lost = flow.lost(node, stays)
        kept = sorted(p for p in lost if restriction.reason(module_of(p)) is not None)
        if not lost:
            refused.append(NotRemovable(name, "its branch has no parameters of its own"))
        elif kept:
            refused.append(NotRemovable(name, f"the user keeps {module_of(kept[0])}"))
        else:
            touched = {dim.name: dim for parameter in lost for dim in carried.get(parameter, ())}
            hides = sorted(name for name, dim in touched.items() if all(p in lost for p, _ in dim.carriers))
            blocks.append(Block(name, node.name, stays.name, tuple(hides)))
    return tuple(blocks), tuple(refused)


def _names(additions: list[fx.Node]) -> dict[fx.Node, str]:
    """Name each addition by the module that adds; ":k" tells several in one module apart."""
    paths = [_module_path(node) or "model" for node in additions]
    times, seen = Counter(paths), Counter[str]()
    names = {}
    for node, path in zip(additions, paths, strict=True):
        names[node] = path if times[path] == 1 else f"{path}:{seen[path]}"
        seen[path] += 1
    return names


def _module_path(node: fx.Node) -> str:
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else ""


class _Flow:
    """How data flows from the inputs, with each node's immediate dominator."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._dominator: dict[fx.Node, fx.Node | None] = {}
        self._depth: dict[fx.Node | None, int] = {None: 0}
        self._readers: dict[str, list[fx.Node]] = {}
        for node in blueprint.graph.nodes:
            if node.op == "get_attr":
                self._readers.setdefault(str(node.target), []).append(node)
            if node.op == "placeholder":
                self._place(node, None)
            elif node.name in blueprint.axes and (sources := self._sources(node)):
                common: fx.Node | None = sources[0]
                for source in sources[1:]:
                    common = self._common(common, source)
                self._place(node, common)

    def _place(self, node: fx.Node, dominator: fx.Node | None) -> None:
        self._dominator[node] = dominator
        self._depth[node] = self._depth[dominator] + 1

    def _sources(self, node: fx.Node) -> list[fx.Node]:
        """Return the inputs of a node that depend on the network's inputs (parameters do not)."""
        return [source for source in node.all_input_nodes if source in self._dominator]

    def _common(self, a: fx.Node | None, b: fx.Node | None) -> fx.Node | None:
        """Return the nearest node that dominates both (each node counts as dominating itself)."""
        while a is not b:
            if self._depth[a] >= self._depth[b]:
                a = self._dominator[a] if a is not None else None
            else:
                b = self._dominator[b] if b is not None else None
        return a

    def additions(self) -> Iterator[fx.Node]:
        """Yield the additions of two different tensors of one shape that both depend on the inputs."""
        for node in self._blueprint.graph.nodes:
            sources = self._sources(node)
            if (
                operator_name(node) == "add"
                and len(sources) == 2
                and self._shape(sources[0]) == self._shape(sources[1])
            ):
                yield node

    def _shape(self, node: fx.Node) -> list[Size]:
        return [self._blueprint.algebra.size(axis) for axis in self._blueprint.axes[node.name][0]]

    def what_stays(self, node: fx.Node) -> fx.Node | str:
        """Return the operand that replaces the addition, or why it cannot be replaced."""
        a, b = node.args[0], node.args[1]
        if not isinstance(a, fx.Node) or not isinstance(b, fx.Node) or node.kwargs.get("alpha", 1) != 1:
            return "the addition scales an operand"
        trunk = self._common(a, b)
        if trunk is None:
            return "its operands come from different inputs"
        if trunk in (a, b):
            return trunk
        linear = [operand for operand in (a, b) if not self._has_activation(operand, trunk)]
        if len(linear) != 1:
            return "both of its operands are " + ("linear paths" if linear else "branches with an activation")
        return linear[0]

    def lost(self, addition: fx.Node, stays: fx.Node) -> set[str]:
        """Return the parameters that nothing needs any more once `stays` replaces the addition."""
        dead, pending = {addition}, [n for n in addition.all_input_nodes if n is not stays]
        while pending:
            node = pending.pop()
            if node not in dead and node is not stays and node.op != "placeholder" and dead.issuperset(node.users):
                dead.add(node)
                pending.extend(node.all_input_nodes)
        gone = {str(node.target) for node in dead if node.op == "get_attr"}
        return {name for name in gone if dead.issuperset(self._readers[name])}

    def _has_activation(self, node: fx.Node, trunk: fx.Node) -> bool:
        seen, pending = set(), [node]
        while pending:
            current = pending.pop()
            if current is trunk or current in seen:
                continue
            seen.add(current)
            if operator_name(current) in NONLINEAR or operator_name(current) == "max_pool2d":
                return True
            pending.extend(self._sources(current))
        return False
