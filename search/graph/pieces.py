"""From a candidate to the pieces that a latency table knows: one piece for each weighted layer and what follows it.

A **piece** is a convolution or matrix product, with a weight or of two activations, together with the pointwise and
pooling calls behind it, up to the next one: what runtimes fuse. Its family says all that matters except the two widths.
What depends on no input is computed when a file is made: it costs nothing, and begins no piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import fx

from latency_tables import Family, Grouping, PieceKey

from .axes import Axis
from .blueprint import Blueprint
from .candidate import Candidate, Choices
from .forms import edited
from .remembered import remembered
from .restrict import module_of
from .tracing import module_path, operator_name

WHOLE = Choices()
"""The structure of the unpruned network."""

CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})

TRANSPOSED = frozenset({"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})

WEIGHTED = CONVOLUTIONS | TRANSPOSED | {"linear"}
"""Operators with a weight that begin a piece."""

RECURRENT = frozenset(
    {"gru", "lstm", "rnn_tanh", "rnn_relu", "gru_cell", "lstm_cell", "rnn_tanh_cell", "rnn_relu_cell"}
)
"""Operators with several weights that run a layer, or one step of it."""

_OPERANDS: Mapping[str, tuple[int, ...]] = {
    "matmul": (0, 1), "bmm": (0, 1), "mm": (0, 1), "mv": (0, 1), "dot": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2),
    "einsum": (1,), "scaled_dot_product_attention": (0, 1, 2),
}  # fmt: skip
"""Product of activations -> positions of the arguments that are multiplied."""

BEGINNING = WEIGHTED | RECURRENT | _OPERANDS.keys()
"""Operators that begin a piece."""

_SILENT = frozenset({"batch_norm", "dropout", "feature_dropout", "clone", "contiguous", "detach", "to", "flatten",
                     "view", "reshape", "getitem", "sym_size"})  # fmt: skip
"""Calls that runtimes fold away or that cost nothing: they do not tell families apart."""


@dataclass(frozen=True, slots=True)
class PieceSpec:
    """A piece, as it is in the unpruned network.

    Attributes:
        name: Module of its weight, or module and operator of a product (with "#k" where there are several).
        node: Node name of the call that begins it.
        family: Operator, kernel, stride, grouping, sizes and what follows; all but the widths.
        column: Axis that the input width is read from.
        row: Axis that the output width is read from.
    """

    name: str
    node: str
    family: Family
    column: Axis
    row: Axis


def piece_specs(blueprint: Blueprint, choices: Choices = WHOLE) -> tuple[PieceSpec, ...]:
    """Return the pieces under structure choices, in the order in which they run; left out, of the unpruned network."""
    return _specs(blueprint, choices)


@remembered
def _specs(blueprint: Blueprint, choices: Choices) -> tuple[PieceSpec, ...]:
    if choices == WHOLE:
        return tuple(_described_all(blueprint))
    live = edited(blueprint, choices).live
    return tuple(spec for spec in _specs(blueprint, WHOLE) if spec.node in live)


def _described_all(blueprint: Blueprint) -> Iterator[PieceSpec]:
    """Yield the pieces of the unpruned network; what follows them there is said of them everywhere."""
    moving, followers = _moving(blueprint), _followers(blueprint)
    times = Counter[str]()
    for node in blueprint.graph.nodes:
        if _begins(node, moving):
            path = _path(node)
            times[path] += 1
            name = path if times[path] == 1 else f"{path}#{times[path]}"
            family, column, row = _described(blueprint, node)
            yield PieceSpec(name, node.name, family.followed_by(*followers.get(node.name, ())), column, row)


def _followers(blueprint: Blueprint) -> dict[str, list[str]]:
    """Return node name of the call that begins a piece -> operators that follow it there, each once."""
    owner, moving = piece_nodes(blueprint), _moving(blueprint)
    found: dict[str, list[str]] = {}
    for node in blueprint.graph.nodes:
        name = operator_name(node)
        if node in moving and node.name in owner and name not in BEGINNING | _SILENT:
            seen = found.setdefault(owner[node.name], [])
            if name.rstrip("_") not in seen:
                seen.append(name.rstrip("_"))
    return found


def pieces(blueprint: Blueprint, candidate: Candidate) -> dict[str, PieceKey]:
    """Return the pieces that a candidate's network runs: piece name -> key for a latency table."""
    widths = blueprint.widths(candidate)
    specs = piece_specs(blueprint, candidate.choices)
    # Most axes are those of several pieces: what one makes, the next reads.
    counts = {axis: _count(blueprint, axis, widths) for axis in {a for s in specs for a in (s.column, s.row)}}
    return {spec.name: PieceKey(spec.family, (counts[spec.column], counts[spec.row])) for spec in specs}


def piece_nodes(blueprint: Blueprint, choices: Choices = WHOLE) -> Mapping[str, str]:
    """Return node name -> node name of the call whose piece it belongs to, under structure choices.

    A call belongs to the latest piece among those that it reads; calls before the first piece belong to that one. What
    is replaced belongs where that belongs which is read in its place.
    """
    return _owners(blueprint, choices)


@remembered
def _owners(blueprint: Blueprint, choices: Choices) -> Mapping[str, str]:
    edit, moving = edited(blueprint, choices), _moving(blueprint)
    order: dict[str, int] = {}
    owner: dict[str, str] = {}
    orphans: list[str] = []
    for node in blueprint.graph.nodes:
        instead = edit.replaced.get(node.name)
        if node.op != "call_function" or (node.name not in edit.live and instead is None):
            continue
        if instead is None and _begins(node, moving):
            order[node.name] = len(order)
            owner[node.name] = node.name
            continue
        sources = [source.name for source in node.all_input_nodes] if instead is None else [instead]
        pieces = [owner[name] for name in sources if name in owner]
        if pieces:
            owner[node.name] = max(pieces, key=order.__getitem__)
        else:
            orphans.append(node.name)
    first = next(iter(order), None)
    if first is not None:
        owner.update(dict.fromkeys(orphans, first))
    return MappingProxyType(owner)


def _moving(blueprint: Blueprint) -> set[fx.Node]:
    """Return the nodes that depend on an input of the network."""
    found: set[fx.Node] = set()
    for node in blueprint.graph.nodes:
        if node.op == "placeholder" or not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return found


def _begins(node: fx.Node, moving: Collection[fx.Node]) -> bool:
    name = operator_name(node)
    if name == "einsum" and len(_operands(node)) < 2:
        return False
    return name in BEGINNING and node in moving


def _path(node: fx.Node) -> str:
    """Return the name of the piece that a call begins, but for the number."""
    name = operator_name(node)
    if name in WEIGHTED:
        weight: Any = node.args[1]
        while operator_name(weight) == "to":
            weight = weight.args[0]
        return module_of(str(weight.target)) if weight.op == "get_attr" else node.name
    if name in RECURRENT:
        return module_path(node) or node.name
    return ".".join(part for part in (module_path(node), _kind(name)) if part)


def _kind(name: str) -> str:
    """Return the class of a product: the operators that compute the same share one."""
    if name == "scaled_dot_product_attention":
        return "attention"
    return name if name == "einsum" else "matmul"


def _count(blueprint: Blueprint, axis: Axis, widths: Mapping[int, int]) -> int:
    return blueprint.algebra.width(axis, widths).count


def _described(blueprint: Blueprint, node: fx.Node) -> tuple[Family, Axis, Axis]:
    """Return a piece's family, without what follows it, and the axes of its widths."""
    name = operator_name(node)
    if name in _OPERANDS:
        return _product(blueprint, node)
    if name in RECURRENT:
        return _recurrent(blueprint, node)
    return _linear(blueprint, node) if name == "linear" else _convolution(blueprint, node)


def _axes_of(blueprint: Blueprint, node: Any) -> list[Axis]:
    if node.name in blueprint.axes:
        return list(blueprint.axes[node.name][0])
    return list(blueprint.parameters[str(node.target)])


def _linear(blueprint: Blueprint, node: fx.Node) -> tuple[Family, Axis, Axis]:
    before, after = _axes_of(blueprint, node.args[0]), _axes_of(blueprint, node)
    at = _batch(blueprint, before[:-1]) + before[1:-1]
    # Positions whose number follows a dim (a layer over tokens has one for each channel) count with both widths.
    many = _following(blueprint, before[:-1])
    return Family(operator="linear", at=_extent(blueprint, at)), many + before[-1], many + after[-1]


def _recurrent(blueprint: Blueprint, node: fx.Node) -> tuple[Family, Axis, Axis]:
    """Describe a recurrent layer; its widths are those of what it reads and of what it makes of that."""
    before, after = _axes_of(blueprint, node.args[0]), _axes_of(blueprint, node)
    modes = ("both",) if _arguments(node).get("bidirectional") else ()
    family = Family(operator=operator_name(node), at=_extent(blueprint, before[:-1]), modes=modes)
    return family, before[-1], after[-1]


def _convolution(blueprint: Blueprint, node: fx.Node) -> tuple[Family, Axis, Axis]:
    before, after = _axes_of(blueprint, node.args[0]), _axes_of(blueprint, node)
    weight: Any = node.args[1]
    kernel = tuple(int(size) for size in weight.meta["val"].shape[2:])
    channels = len(before) - len(kernel) - 1
    many = _batch(blueprint, before[:channels])
    arguments = _arguments(node)
    grouping, inside = _grouping(node)
    dilation = _listed(arguments["dilation"])
    family = Family(
        operator=operator_name(node),
        kernel=kernel or (1,),
        stride=tuple(_listed(arguments["stride"])),
        grouping=grouping,
        inside=inside,
        dilation=() if set(dilation) <= {1} else tuple(dilation),
        reads=_extent(blueprint, many + before[channels + 1 :]),
        makes=_extent(blueprint, many + after[channels + 1 :]),
    )
    return family, before[channels], after[channels]


def _grouping(node: fx.Node) -> tuple[Grouping, int | None]:
    """Return how channels are tied, and how many go into one group where that matters."""
    arguments = _arguments(node)
    groups, weight = arguments["groups"], arguments["weight"].meta["val"]
    inside = int(weight.shape[0]) // groups if operator_name(node) in TRANSPOSED else int(weight.shape[1])
    if groups == 1:
        return "dense", None
    return ("depthwise", None) if inside == 1 else ("grouped", inside)


def _product(blueprint: Blueprint, node: fx.Node) -> tuple[Family, Axis, Axis]:
    """Describe a product of activations; its widths are what follows dims in its first operand and its result."""
    name, operands = operator_name(node), [_axes_of(blueprint, operand) for operand in _operands(node)]
    after = _axes_of(blueprint, node)
    traits = [str(node.args[0]).replace(" ", "")] if name == "einsum" else []
    traits += [_shape(blueprint, axes) for axes in [*operands, after]]
    if name == "scaled_dot_product_attention":
        arguments = _arguments(node)
        traits += [word for word, given in (("mask", "attn_mask"), ("causal", "is_causal")) if arguments[given]]
    family = Family(operator=_kind(name), traits=tuple(traits))
    return family, _following(blueprint, operands[0]), _following(blueprint, after)


def _operands(node: fx.Node) -> list[fx.Node]:
    found: list[Any] = []
    for position in _OPERANDS[operator_name(node)]:
        found += _listed(node.args[position])
    return found


def _shape(blueprint: Blueprint, axes: list[Axis]) -> str:
    """Return the sizes of a tensor in the unpruned network; the only one that follows dims is a width, and left out."""
    following = [bool(blueprint.dims_of(axis)) for axis in axes]
    alone = sum(following) == 1
    sizes = (blueprint.algebra.size(axis).count for axis in axes)
    return "x".join("w" if alone and moves else str(size) for moves, size in zip(following, sizes, strict=True)) or "1"


def _following(blueprint: Blueprint, axes: list[Axis]) -> Axis:
    """Return the product of those axes that follow dims."""
    return tuple(term for axis in axes if blueprint.dims_of(axis) for term in axis)


def _batch(blueprint: Blueprint, axes: list[Axis]) -> list[Axis]:
    """Return the axis before the channels or positions where it holds more than the batch, such as windows."""
    return [axis for axis in axes[:1] if blueprint.algebra.size(axis).count != 1]


def _arguments(node: fx.Node) -> dict[str, Any]:
    """Return the arguments of a call by name."""
    arguments: dict[str, Any] = {a.name: a.default_value for a in node.target._schema.arguments}  # type: ignore[union-attr]
    return arguments | dict(zip(arguments, node.args, strict=False)) | dict(node.kwargs)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _extent(blueprint: Blueprint, axes: list[Axis]) -> tuple[int, ...]:
    return tuple(blueprint.algebra.size(axis).count for axis in axes) or (1,)
