"""Find out what must be cut together: run each operator's rule once over the exported graph."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy
import torch
from torch import fx, nn

from ..errors import NothingToCutError
from .axes import Algebra, Axis
from .blocks import find_blocks
from .blueprint import Blueprint, frozen_mapping
from .causes import causes
from .findings import Dim, Flow, Frozen
from .folding import fold, to_fold
from .labels import labels_of
from .module import held
from .restrict import Restriction, module_of
from .rules import KERNEL, Axes, Call, Rule, rule_of
from .sizes import ONE, Size
from .tracing import Trace, is_mutable, operator_name, trace

INPUT = "an axis of an input"
OUTPUT = "an axis of an output"

_CALL = re.compile(r"\w+ \((\w+)\) ")
"""How the reasons begin that rules give: with an operator and the name of its call."""

_SIZES = frozenset({"sym_size", "sym_numel", "sym_stride", "sym_storage_offset"})
"""Calls that read a tensor's size and none of its numbers."""

_TOLD = 10
"""Causes that a message lists; the rest are counted."""


def comb(
    model: nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None = None,
    *,
    keep: Sequence[str] = (),
    only: Sequence[str] = (),
    least: Mapping[str, int] | None = None,
) -> Blueprint:
    """Analyse a model: which of its sizes can be cut, what must be cut together, which blocks can go.

    Args:
        model: Any module that `torch.export` takes; it is not changed.
        args: A tensor or a tuple of positional arguments; axis 0 of each tensor is the batch.
        kwargs: Keyword arguments.
        keep: Shell globs on module names whose parameters keep their sizes; a module covers its children.
        only: Shell globs on module names; the parameters of all other modules keep their sizes. Empty: no limit.
        least: Shell glob on module names -> least width of the dims whose first parameter lies there.

    Raises:
        ModelError: The model does not run or export, a glob matches nothing, or (`NothingToCutError`) nothing can be
            cut.
    """
    return analyse(trace(model, args, kwargs), Restriction(tuple(keep), tuple(only), dict(least or {})))


def analyse(traced: Trace, restriction: Restriction | None = None) -> Blueprint:
    """Find out what can be cut in a traced model.

    Raises:
        ModelError: A glob of the restriction matches nothing.
        NothingToCutError: Nothing can be cut.
    """
    restriction = restriction or Restriction()
    comb_ = _combed(traced, restriction)
    while folded := comb_.to_fold(restriction):
        traced = fold(traced, folded)
        comb_ = _combed(traced, restriction)
    dims, frozen = comb_.dims(restriction)
    unknown = dict(comb_.unknown)
    if unknown:
        unknown, frozen = _charged(traced, restriction, unknown, frozen)
    blueprint = Blueprint(
        traced,
        comb_.algebra,
        frozen_mapping(comb_.axes),
        frozen_mapping(comb_.parameters),
        frozen_mapping(comb_.flows),
        dims,
        (),
        (),
        frozen,
        frozen_mapping({name: tuple(nodes) for name, nodes in unknown.items()}),
    )
    blocks, not_removable = find_blocks(blueprint, restriction)
    if not dims and not blocks:
        raise NothingToCutError(
            f"At least one dim must be free, but nothing in this model can be cut: {_told(blueprint)}.",
            [(item.dim, item.reason) for item in frozen],
        )
    return replace(blueprint, blocks=blocks, not_removable=not_removable)


def _combed(traced: Trace, restriction: Restriction) -> _Comb:
    found = _Comb(traced.module, traced.overlapping)
    found.run()
    found.restrict(restriction)
    return found


def _charged(
    traced: Trace, restriction: Restriction, unknown: Mapping[str, list[str]], frozen: tuple[Frozen, ...]
) -> tuple[dict[str, list[str]], tuple[Frozen, ...]]:
    """Return the operators without a rule that cost freedom, and what is frozen, for other reasons than the rest.

    A second pass, in which they freeze nothing, tells: where nothing that they touch is free then, a rule would free
    nothing.
    """
    lenient = _Comb(traced.module, traced.overlapping, lenient=True)
    lenient.run()
    lenient.restrict(restriction)
    cost = {name: lenient.costly(nodes) for name, nodes in unknown.items()}
    idle = {node for name, nodes in unknown.items() for node in nodes if node not in cost[name]}
    others = {item.dim: item for item in lenient.dims(restriction)[1]}
    told = (
        replace(item, reason=others[item.dim].reason, node=others[item.dim].node)
        if item.node in idle and item.dim in others
        else item
        for item in frozen
    )
    return {name: nodes for name, nodes in cost.items() if nodes}, tuple(told)


class _Comb:
    """One pass over the graph, and what it learns.

    A lenient one lets operators without a rule freeze nothing.
    """

    def __init__(
        self, module: fx.GraphModule, overlapping: Sequence[Sequence[str]] = (), *, lenient: bool = False
    ) -> None:
        self.lenient = lenient
        self.module = module
        self.overlapping = overlapping
        self.algebra = Algebra()
        self.axes: dict[str, list[Axes]] = {}
        self.parameters: dict[str, Axes] = {}
        self.flows: dict[str, Flow] = {}
        self.unknown: dict[str, list[str]] = {}
        self.where: dict[str, str] = {}
        self.floors: list[tuple[Axis, int]] = []

    def run(self) -> None:
        self._start_parameters()
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                self.axes[node.name] = self._frozen_outputs(node, INPUT)
            elif node.op == "call_function":
                self._visit(node)
            elif node.op == "output":
                for source in node.all_input_nodes:
                    self._freeze_node(source, OUTPUT)
        for axis, _ in self.floors:
            if len(list(self.algebra.leaves(axis))) > 1:
                self._freeze([axis], "it has a least width and several factors")

    def _start_parameters(self) -> None:
        """Give each axis of each parameter storage a fresh atom; tied tensors share theirs."""
        seen: dict[tuple[Any, ...], Axes] = {}
        for name, value in held(self.module, self.module.graph).items():
            if isinstance(value, torch.Tensor):
                storage = (value.data_ptr() or id(value), tuple(value.shape), value.stride())
                if storage not in seen:
                    seen[storage] = [self.algebra.atom(size) for size in value.shape]
                self.parameters[name] = seen[storage]
        for names in self.overlapping:
            for name in set(names) & set(self.parameters):
                self._freeze(self.parameters[name], f"{', '.join(names)} share memory in part")
        for node in self.module.graph.nodes:
            if node.op == "get_attr" and str(node.target) in self.parameters:
                self.axes[node.name] = [self.parameters[str(node.target)]]

    def _visit(self, node: fx.Node) -> None:
        operator = operator_name(node)
        if (item := self._item(node, operator)) is not None:
            self.axes[node.name] = [item]
            return
        shapes = _shapes(node)
        if not shapes:
            return self._touch_without_tensors(node, operator)
        rule = None if is_mutable(node) else rule_of(operator)
        call = self._call(node, operator, shapes)
        outputs = self._apply(rule, call) if rule is not None else None
        if outputs is None:
            self._freeze_unknown(node, operator)
            return
        self._freeze_untaken(call, operator)
        self.axes[node.name] = outputs
        self.floors += call.floors
        self.flows[node.name] = Flow(
            call.literals, tuple(call.summed), tuple(call.blended), tuple(call.groupings), tuple(call.unlabelled)
        )

    def _apply(self, rule: Rule, call: Call) -> list[Axes] | None:
        """Return what a rule says of a call; None where the call is a use that the rule does not cover."""
        try:
            outputs = rule(call)
        except (ValueError, KeyError, IndexError, TypeError, StopIteration, ZeroDivisionError):
            return None
        shapes = [tuple(self.algebra.size(axis) for axis in axes) for axes in outputs]
        return outputs if shapes == list(call.outputs) else None

    def _item(self, node: fx.Node, operator: str) -> Axes | None:
        """Return the axes of one output of a call that has several, where `node` picks that."""
        source, index = node.args[:2] if operator == "getitem" else (None, None)
        outputs = self.axes.get(source.name, []) if isinstance(source, fx.Node) else []
        return outputs[index] if isinstance(index, int) and index < len(outputs) else None

    def _call(self, node: fx.Node, operator: str, shapes: list[tuple[Size, ...]]) -> Call:
        arguments = _arguments(node)
        found: dict[str, Axes] = {}
        for name, value in arguments.items():
            listed = isinstance(value, (list, tuple))
            for i, item in enumerate(value if isinstance(value, (list, tuple)) else [value]):
                if isinstance(item, fx.Node) and len(self.axes.get(item.name, ())) == 1 and _shapes(item):
                    found[f"{name}.{i}" if listed else name] = self.axes[item.name][0]
        return Call(node, operator, self.algebra, arguments, found, shapes)

    def _touch_without_tensors(self, node: fx.Node, operator: str) -> None:
        """Account for calls whose result is no tensor: reading the batch's size is harmless, all else freezes."""
        touched = [source for source in node.all_input_nodes if source.name in self.axes]
        if touched and operator not in _SIZES:
            return self._freeze_unknown(node, operator)
        for source in touched:
            batch_only = operator == "sym_size" and node.args[1] == 0 and _shapes(source)[0][0].symbols
            if not batch_only:
                self._freeze_node(source, f"{operator} ({node.name}) reads its size", node)

    def _freeze_unknown(self, node: fx.Node, operator: str) -> None:
        why = "writes to memory that is read later" if is_mutable(node) else "has no rule for this use"
        reason = f"{operator} ({node.name}) {why}"
        self.unknown.setdefault(operator, []).append(node.name)
        if self.lenient:
            self.axes[node.name] = self._outputs_if_known(node)
            return
        for source in node.all_input_nodes:
            self._freeze_node(source, reason, node)
        self.axes[node.name] = self._frozen_outputs(node, reason)

    def _freeze_untaken(self, call: Call, operator: str) -> None:
        for name, axes in call.tensors.items():
            for i, axis in enumerate(axes):
                if (name, i) not in call.taken:
                    reason = f"{operator} ({call.node.name}) works along axis {i} of its {name}"
                    self._freeze([axis], reason, call.node)

    def _freeze_node(self, source: fx.Node, reason: str, node: fx.Node | None = None) -> None:
        for axes in self.axes.get(source.name, ()):
            self._freeze(axes, reason, node)

    def _freeze(self, axes: Axes, reason: str, node: fx.Node | None = None) -> None:
        if node is not None:
            self.where[reason] = node.name
        for axis in axes:
            self.algebra.freeze(axis, reason)

    def _frozen_outputs(self, node: fx.Node, reason: str) -> list[Axes]:
        return [[self.algebra.atom(size, frozen=reason) for size in shape] for shape in _shapes(node)]

    def restrict(self, restriction: Restriction) -> None:
        """Freeze the parameters of the modules that the user wants to keep."""
        restriction.check({module_of(name) for name in self.parameters})
        for name, axes in self.parameters.items():
            if (reason := restriction.reason(module_of(name))) is not None:
                self._freeze(axes, reason)

    def to_fold(self, restriction: Restriction) -> list[str]:
        """Return the calls whose results must become parameters; see `folding`."""
        unknown = [node for nodes in self.unknown.values() for node in nodes]
        return to_fold(self.module.graph, self.algebra, self.axes, self.flows, unknown, restriction)

    def _outputs_if_known(self, node: fx.Node) -> list[Axes]:
        """Return outputs as a rule might: free, or for the reason of the arguments not, where none of these is free."""
        leaves = [
            leaf
            for source in node.all_input_nodes
            for axes in self.axes.get(source.name, ())
            for axis in axes
            for leaf in self.algebra.leaves(axis)
        ]
        reasons = [self.algebra.frozen(leaf) for leaf in leaves]
        reason = reasons[0] if reasons and None not in reasons else None
        return [[self.algebra.atom(size, frozen=reason) for size in shape] for shape in _shapes(node)]

    def costly(self, names: Sequence[str]) -> list[str]:
        """Return those calls that touch an axis which is free here and on a parameter that trains.

        A call all of whose arguments stay as they are does not count, whatever its result meets.
        """
        nodes = {node.name: node for node in self.module.graph.nodes}
        trained = {
            leaf
            for name, _ in self.module.named_parameters(remove_duplicate=False)
            for axis in self.parameters.get(name, ())
            for leaf in self._free(axis)
        }
        found = []
        for name in names:
            sources = [source.name for source in nodes[name].all_input_nodes if self.axes.get(source.name)]
            given, made = ({x for n in group for x in self._free_of(n)} for group in (sources, [name]))
            if (given or not sources) and (given | made) & trained:
                found.append(name)
        return found

    def _free_of(self, name: str) -> Iterator[int]:
        for axes in self.axes.get(name, ()):
            for axis in axes:
                yield from self._free(axis)

    def _free(self, axis: Axis) -> Iterator[int]:
        return (leaf for leaf in self.algebra.leaves(axis) if self.algebra.frozen(leaf) is None)

    def dims(self, restriction: Restriction) -> tuple[tuple[Dim, ...], tuple[Frozen, ...]]:
        """Name the free atoms that sit on a parameter, and say of the others why they are not free."""
        trainable = {name for name, _ in self.module.named_parameters(remove_duplicate=False)}
        names: dict[int, str] = {}
        carriers: dict[int, dict[tuple[str, int], None]] = {}
        for name, axes in sorted(self.parameters.items(), key=lambda item: item[0] not in trainable):
            for i, axis in enumerate(axes):
                leaves = list(self.algebra.leaves(axis))
                for k, leaf in enumerate(leaves):
                    if name in trainable:
                        names.setdefault(leaf, f"{name}:{i}" if len(leaves) == 1 else f"{name}:{i}.{k}")
                    carriers.setdefault(leaf, {})[name, i] = None
        free = [leaf for leaf in names if self.algebra.frozen(leaf) is None]
        labels = labels_of(self.algebra, free, self.parameters, self.axes, self.flows)
        floors = {leaf: least for axis, least in self.floors for leaf in self.algebra.leaves(axis)}
        groupings = {leaf for flow in self.flows.values() for a in flow.groupings for leaf in self.algebra.leaves(a)}
        dims, frozen = [], []
        for leaf, name in names.items():
            reason = self.algebra.frozen(leaf)
            size = self.algebra.size((leaf,)).count
            if reason is None:
                outer = tuple((label, self.algebra.size((label,)).count) for label in labels[leaf])
                floor = max(restriction.floor(module_of(name.rpartition(":")[0])), floors.get(leaf, 1))
                dims.append(Dim(name, size, leaf, tuple(carriers[leaf]), outer, leaf in groupings, min(size, floor)))
            elif reason != KERNEL:
                frozen.append(Frozen(name, reason, leaf, self._call_of(reason), tuple(carriers[leaf])))
        return tuple(dims), tuple(frozen)

    def _call_of(self, reason: str) -> str | None:
        """Return the call that a reason is about: one that the harness noted, or one that a rule's words name."""
        if reason in self.where:
            return self.where[reason]
        named = _CALL.match(reason)
        return named[1] if named is not None and named[1] in self.axes else None


def _told(blueprint: Blueprint) -> str:
    """Say why nothing can be cut, with the user's own lines."""
    found = causes(blueprint.graph, blueprint.frozen)
    told = [f"{cause.reason} ({cause.lines[0]})" if cause.lines else cause.reason for cause in found]
    rest = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return "; ".join(told[:_TOLD]) + rest if told else "it has no parameters"


def _arguments(node: fx.Node) -> dict[str, Any]:
    """Return the call's arguments by their names in the operator's schema, defaults filled in."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {f"arg{i}": value for i, value in enumerate(node.args)} | dict(node.kwargs)
    values: dict[str, Any] = {}
    for i, argument in enumerate(schema.arguments):
        if i < len(node.args):
            values[argument.name] = node.args[i]
        else:
            values[argument.name] = node.kwargs.get(argument.name, argument.default_value)
    return values


def _shapes(node: fx.Node) -> list[tuple[Size, ...]]:
    """Return the shapes of a node's output tensors; empty where it returns none."""
    value = node.meta.get("val")
    values = value if isinstance(value, (list, tuple)) else [value]
    found = [tuple(_size(s) for s in v.shape) for v in values if isinstance(v, torch.Tensor)]
    return found if len(found) == len(values) else []


def _size(value: int | torch.SymInt) -> Size:
    if isinstance(value, int):
        return Size(value) if value != 1 else ONE
    expression = value.node.expr
    count, factors = expression.as_coeff_mul()
    if count.is_Integer and count > 0 and all(isinstance(f, sympy.Symbol) for f in factors):
        return Size(int(count), tuple(sorted(str(f) for f in factors)))
    # A sum of symbols is one unknown size of its own: it is never split and equals only itself.
    return Size(1, (str(expression),))
