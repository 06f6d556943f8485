"""Find the residual branches that can be removed.

A block is an addition of two tensors of one shape. Everything that its branch reads from the input passes through one
tensor, the trunk (the trunk *dominates* the branch). Either the other operand is the trunk, perhaps with other branches
added to it already (an identity block); or both operands are branches of one trunk and just one of them is a linear
path without an activation, as in the first block of a stage: then that downsampling path stays.

Additions of a position embedding or a bias are none, for one operand does not depend on the input; nor are those of a
feature pyramid, whose branch is enlarged or feeds other layers too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import fx

from .blueprint import Blueprint
from .findings import Block, Dim, NotRemovable
from .pieces import RECURRENT
from .restrict import Restriction, module_of
from .rules import NONLINEAR
from .sizes import Size
from .tracing import module_path, operator_name


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
            refused.append(NotRemovable(name, stays, node.name))
            continue
        lost = flow.lost(node, stays)
        kept = sorted(p for p in lost if restriction.reason(module_of(p)) is not None)
        if not lost:
            refused.append(NotRemovable(name, "its branch has no parameters of its own", node.name))
        elif kept:
            refused.append(NotRemovable(name, f"the user keeps {module_of(kept[0])}", node.name))
        else:
            touched = {dim.name: dim for parameter in lost for dim in carried.get(parameter, ())}
            hides = sorted(name for name, dim in touched.items() if all(p in lost for p, _ in dim.carriers))
            blocks.append(Block(name, node.name, stays.name, tuple(hides), tuple(sorted(lost))))
    return tuple(blocks), tuple(refused)


def _names(additions: list[fx.Node]) -> dict[fx.Node, str]:
    """Name each addition by the module that adds; ":k" tells several in one module apart."""
    paths = [module_path(node) or "model" for node in additions]
    times, seen = Counter(paths), Counter[str]()
    names = {}
    for node, path in zip(additions, paths, strict=True):
        names[node] = path if times[path] == 1 else f"{path}:{seen[path]}"
        seen[path] += 1
    return names


_ACTIVE = NONLINEAR | RECURRENT | {
    "prelu", "glu", "softmax", "log_softmax", "scaled_dot_product_attention", "amax", "amin", "linalg_vector_norm",
    "max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
}  # fmt: skip
"""Calls that a linear path does not have."""

_ENLARGING = ("upsample_", "_upsample_", "conv_transpose", "pixel_shuffle")


class _Flow:
    """How data flows from the inputs, with each node's immediate dominator."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._dominator: dict[fx.Node, fx.Node | None] = {}
        self._depth: dict[fx.Node | None, int] = {None: 0}
        self._readers: dict[str, list[fx.Node]] = {}
        self._bases: dict[fx.Node, fx.Node] = {}
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
        if trunk.op == "placeholder":
            return "its trunk is the network's input itself"
        identity = [operand for operand in (a, b) if trunk in (operand, self._base(operand))]
        if len(identity) == 1:
            self._bases[node] = trunk
            return identity[0]
        return self._linear_path(node, a, b, trunk)

    def _base(self, operand: fx.Node) -> fx.Node:
        """Return what an operand is once the identity blocks that it ends with are removed."""
        return self._bases.get(operand, operand)

    def _linear_path(self, node: fx.Node, a: fx.Node, b: fx.Node, trunk: fx.Node) -> fx.Node | str:
        """Return the downsampling path of a stage's first block, or why this is none."""
        between = {operand: self._between(operand, trunk) for operand in (a, b)}
        linear = [operand for operand in (a, b) if not any(operator_name(n) in _ACTIVE for n in between[operand])]
        if len(linear) != 1:
            return "both of its operands are " + ("linear paths" if linear else "branches with an activation")
        branch = between[a if linear[0] is b else b]
        if any(operator_name(n).startswith(_ENLARGING) for nodes in between.values() for n in nodes):
            return "an operand is enlarged, as in a feature pyramid"
        if any(user not in branch and user is not node for n in branch for user in n.users if self._is_data(user)):
            return "its branch feeds other layers too"
        return linear[0]

    def _is_data(self, node: fx.Node) -> bool:
        return node.op == "output" or node in self._dominator

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

    def _between(self, node: fx.Node, trunk: fx.Node) -> set[fx.Node]:
        """Return the calls between a trunk and a node, the node included."""
        seen, pending = set[fx.Node](), [node]
        while pending:
            current = pending.pop()
            if current is not trunk and current not in seen:
                seen.add(current)
                pending.extend(self._sources(current))
        return seen
