"""Find out what must be cut together: run each operator's rule once over the exported graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy
import torch
from torch import fx, nn

from ..errors import ModelError
from .axes import ONE, Algebra, Axis, Size
from .blocks import find_blocks
from .blueprint import Blueprint, Dim, Frozen, frozen_mapping
from .module import held
from .restrict import matches, module_of
from .rules import KERNEL, Axes, Call, Rule, rule_of
from .trace import is_mutable, operator_name, trace

INNER = "the inside of a product: not cut yet"
INPUT = "an axis of an input"
OUTPUT = "an axis of an output"


def comb(
    model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None = None, *, keep: Sequence[str] = ()
) -> Blueprint:
    """Analyse a model: which of its sizes can be cut, what must be cut together, which blocks can go.

    Args:
        model: Any module that `torch.export` takes; it is not changed.
        args: A tensor or a tuple of positional arguments; axis 0 of each tensor is the batch.
        kwargs: Keyword arguments.
        keep: Shell globs on module names whose parameters keep their sizes; a module covers its children.

    Raises:
        ModelError: The model does not run or export, a glob in `keep` matches nothing, or nothing can be cut.
    """
    traced = trace(model, args, kwargs)
    comb_ = _Comb(traced.module)
    comb_.run()
    comb_.keep(keep)
    comb_.freeze_insides()
    dims, frozen = comb_.dims()
    blueprint = Blueprint(
        traced,
        comb_.algebra,
        frozen_mapping(comb_.axes),
        frozen_mapping(comb_.parameters),
        frozen_mapping(comb_.literals),
        dims,
        (),
        (),
        frozen,
        frozen_mapping({name: tuple(nodes) for name, nodes in comb_.unknown.items()}),
    )
    blocks, not_removable = find_blocks(blueprint, keep)
    if not dims and not blocks:
        reasons = "; ".join(sorted({f.reason for f in frozen})) or "it has no parameters"
        raise ModelError(f"At least one dim must be free, but nothing in this model can be cut: {reasons}.")
    return replace(blueprint, blocks=blocks, not_removable=not_removable)


class _Comb:
    """One pass over the graph, and what it learns."""

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self.algebra = Algebra()
        self.axes: dict[str, list[Axes]] = {}
        self.parameters: dict[str, Axes] = {}
        self.literals: dict[str, dict[str, Axis | list[Axis]]] = {}
        self.unknown: dict[str, list[str]] = {}

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

    def _start_parameters(self) -> None:
        """Give each axis of each parameter storage a fresh atom; tied tensors share theirs."""
        seen: dict[tuple[Any, ...], Axes] = {}
        for name, value in held(self.module, self.module.graph).items():
            if isinstance(value, torch.Tensor):
                storage = (value.data_ptr() or id(value), tuple(value.shape), value.stride())
                self.parameters[name] = seen.setdefault(storage, [self.algebra.atom(size) for size in value.shape])
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
        call = self._call(node, shapes)
        outputs = self._apply(rule, call) if rule is not None else None
        if outputs is None:
            self._freeze_unknown(node, operator, call)
            return
        self._freeze_untaken(call, operator)
        self.axes[node.name] = outputs
        self.literals[node.name] = call.literals

    def _apply(self, rule: Rule, call: Call) -> list[Axes] | None:
        """Return what a rule says of a call; None where the call is a use that the rule does not cover."""
        try:
            outputs = rule(call)
        except (ValueError, KeyError, IndexError):
            return None
        shapes = [tuple(self.algebra.size(axis) for axis in axes) for axes in outputs]
        return outputs if shapes == list(call.outputs) else None

    def _item(self, node: fx.Node, operator: str) -> Axes | None:
        """Return the axes of one output of a call that has several, where `node` picks that."""
        source, index = node.args[:2] if operator == "getitem" else (None, None)
        outputs = self.axes.get(source.name, []) if isinstance(source, fx.Node) else []
        return outputs[index] if isinstance(index, int) and index < len(outputs) else None

    def _call(self, node: fx.Node, shapes: list[tuple[Size, ...]]) -> Call:
        arguments = _arguments(node)
        found: dict[str, Axes] = {}
        for name, value in arguments.items():
            values = value if isinstance(value, (list, tuple)) else [value]
            for i, item in enumerate(values):
                if isinstance(item, fx.Node) and len(self.axes.get(item.name, ())) == 1 and _shapes(item):
                    found[f"{name}.{i}" if isinstance(value, (list, tuple)) else name] = self.axes[item.name][0]
        return Call(node, self.algebra, arguments, found, shapes)

    def _touch_without_tensors(self, node: fx.Node, operator: str) -> None:
        """Account for calls whose result is no tensor: reading the batch's size is harmless, all else freezes."""
        for source in node.all_input_nodes:
            batch_only = operator == "sym_size" and node.args[1] == 0 and _shapes(source)[0][0].symbols
            if not batch_only:
                self._freeze_node(source, f"{operator} reads its size")

    def _freeze_unknown(self, node: fx.Node, operator: str, call: Call) -> None:
        why = "writes to memory that is read later" if is_mutable(node) else "has no rule for this use"
        reason = f"{operator} ({node.name}) {why}"
        self.unknown.setdefault(operator, []).append(node.name)
        for source in node.all_input_nodes:
            self._freeze_node(source, reason)
        for axes in call.tensors.values():
            for axis in axes:
                self.algebra.freeze(axis, reason)
        self.axes[node.name] = self._frozen_outputs(node, reason)

    def _freeze_untaken(self, call: Call, operator: str) -> None:
        for name, axes in call.tensors.items():
            for i, axis in enumerate(axes):
                if (name, i) not in call.taken:
                    self.algebra.freeze(axis, f"{operator} ({call.node.name}) works along axis {i} of its {name}")

    def _freeze_node(self, node: fx.Node, reason: str) -> None:
        for axes in self.axes.get(node.name, ()):
            for axis in axes:
                self.algebra.freeze(axis, reason)

    def _frozen_outputs(self, node: fx.Node, reason: str) -> list[Axes]:
        return [[self.algebra.atom(size, frozen=reason) for size in shape] for shape in _shapes(node)]

    def keep(self, globs: Sequence[str]) -> None:
        """Freeze the parameters of the modules that the user wants to keep."""
        unused = set(globs)
        for name, axes in self.parameters.items():
            path = module_of(name)
            for glob in globs:
                if matches(path, [glob]):
                    unused.discard(glob)
                    for axis in axes:
                        self.algebra.freeze(axis, f"kept by the user ({glob})")
        if unused:
            raise ModelError(
                f"A glob in `keep` must match a module that has parameters, but {sorted(unused)} match none. "
                f"Modules with parameters: {sorted({module_of(n) for n in self.parameters})[:20]}."
            )

    def freeze_insides(self) -> None:
        """Freeze inner factors: each outer index would need a set of its own, which this version does not keep."""
        for axes in self.parameters.values():
            for axis in axes:
                for leaf in _inner_leaves(self.algebra, axis):
                    self.algebra.freeze((leaf,), INNER)

    def dims(self) -> tuple[tuple[Dim, ...], tuple[Frozen, ...]]:
        """Name the free atoms that sit on a parameter, and say of the others why they are not free."""
        trainable = {name for name, _ in self.module.named_parameters(remove_duplicate=False)}
        names: dict[int, str] = {}
        carriers: dict[int, list[tuple[str, int]]] = {}
        for name, axes in sorted(self.parameters.items(), key=lambda item: item[0] not in trainable):
            for i, axis in enumerate(axes):
                leaves = list(self.algebra.leaves(axis))
                for k, leaf in enumerate(leaves):
                    if name in trainable:
                        names.setdefault(leaf, f"{name}:{i}" if len(leaves) == 1 else f"{name}:{i}.{k}")
                    if (name, i) not in carriers.setdefault(leaf, []):
                        carriers[leaf].append((name, i))
        dims, frozen = [], []
        for leaf, name in names.items():
            reason = self.algebra.frozen(leaf)
            if reason is None:
                dims.append(Dim(name, self.algebra.size((leaf,)).count, leaf, tuple(carriers[leaf])))
            elif reason != KERNEL:
                frozen.append(Frozen(name, reason))
        return tuple(dims), tuple(frozen)


def _inner_leaves(algebra: Algebra, axis: Axis) -> Iterator[int]:
    reading = algebra.resolve(axis)
    for position, term in enumerate(reading):
        if position:
            yield from algebra.leaves((term,))
        elif not isinstance(term, int):
            for part in term.parts:
                yield from _inner_leaves(algebra, part)


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
