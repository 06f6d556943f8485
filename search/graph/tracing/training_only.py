"""What a network does in training alone: an export in eval mode has lost it, and no later switch brings it back.

It is found by exporting a copy in training mode and comparing, and by looking at the modules.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram

from ..module import attribute
from .calls import argument, is_region, operator_name
from .layers import STACKS
from .lines import source_line
from .trace import copy_of, deep_stack, exported, first_line

_SWITCHED = frozenset({"batch_norm", "dropout", "feature_dropout", "alpha_dropout"}) | STACKS
"""Operators that an exported graph keeps in eval mode, with a literal that switches them to training."""

_SEEDED = torch.Tag.nondeterministic_seeded


def training_only(model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Say what training the exported network leaves out of what training the model does.

    Args:
        model: The model; it is not changed.
        args: A tensor or a tuple of positional arguments; axis 0 of each tensor is the batch.
        kwargs: Keyword arguments.

    Returns:
        One sentence for each loss; none where there is no loss. This never raises: what could not be found out is a
        sentence too.
    """
    try:
        with deep_stack():
            lost = [*_lost_by_modules(model), *_lost_by_export(model, args, kwargs)]
            return tuple(dict.fromkeys(re.sub("^each of", "Each of", sentence) for sentence in lost))
    except Exception as exc:
        return (f"What the network does in training alone is not known: {type(exc).__name__}: {first_line(exc)}",)


def _lost_by_modules(model: nn.Module) -> Iterator[str]:
    norms = {name: m for name, m in model.named_modules() if isinstance(m, nn.modules.batchnorm._NormBase)}
    tracking = {name: norm for name, norm in norms.items() if norm.track_running_stats}
    if average := [name for name, norm in tracking.items() if norm.momentum is None]:
        yield (
            f"{_some(average)} averages its statistics over all batches (momentum=None); once exported, training no "
            "longer moves them: they have to be computed anew."
        )
    if tracking:
        yield f"The number of batches that {_some(list(tracking))} has seen (num_batches_tracked) is not counted."


def _lost_by_export(model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None) -> Iterator[str]:
    evaluating, *_ = exported(copy_of(model, light=True).eval(), args, kwargs)
    try:
        training, *_ = exported(_in_training(model), args, kwargs)
    except Exception as exc:
        yield (
            "The network does not export in training mode, so what it does in training alone is not known: "
            f"{type(exc).__name__}: {first_line(exc)}"
        )
        return
    before, after = ([_Used(node) for node in _calls(p.module(check_guards=False))] for p in (evaluating, training))
    if _outputs(evaluating) != _outputs(training):
        yield "The outputs differ in training (auxiliary ones?): the exported network has those of eval mode only."
    yield from _differences(before, after)
    if frozen := {call.module for call in after if call.operator == "batch_norm" and call.mode is False}:
        yield f"{_some(sorted(frozen))} keeps its statistics in training; once exported, it is trained like any other."


def _in_training(model: nn.Module) -> nn.Module:
    """Return a copy with each part in the mode that it is trained in: `train` is the model's own."""
    twin = copy_of(model, light=True).train()
    for module in twin.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.momentum is None:
            # Averaging over all batches reads their number, which export cannot follow; it is reported already.
            module.momentum = 0.1
    return twin


class _Used:
    """One call of an exported graph, as far as modes are concerned."""

    def __init__(self, node: fx.Node) -> None:
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path, kind = stack[-1][:2] if stack else ("", "")
        self.module = str(path).partition("_empty_nn_module_stack")[0] or "the network itself"
        self.kind = str(getattr(kind, "__name__", kind)).rpartition(".")[2]
        self.operator = operator_name(node)
        self.line = source_line(node)
        schema = getattr(node.target, "_schema", None)
        names = {a.name for a in schema.arguments} if schema is not None else set()
        self.mode = next((argument(node, n) for n in ("training", "train", "use_input_stats") if n in names), None)
        rate = next((argument(node, n) for n in ("dropout_p", "dropout", "p") if n in names), None)
        self.rate = float(rate) if isinstance(rate, int | float) else None
        self.is_random = _SEEDED in getattr(node.target, "tags", ()) and self.rate != 0

    @property
    def key(self) -> tuple[str, str]:
        return self.module, self.operator


def _calls(module: fx.GraphModule) -> Iterator[fx.Node]:
    """Yield the calls that compute tensors, of a graph and of those nested in it, but not the counting of batches."""
    for node in module.graph.nodes:
        if is_region(node):
            for source in node.all_input_nodes:
                found = attribute(module, str(source.target)) if source.op == "get_attr" else None
                if isinstance(found, fx.GraphModule):
                    yield from _calls(found)
        elif (
            node.op == "call_function"
            and isinstance(node.meta.get("val"), torch.Tensor | list | tuple)
            and not any("num_batches_tracked" in str(source.target) for source in node.all_input_nodes)
        ):
            yield node


def _differences(before: list[_Used], after: list[_Used]) -> Iterator[str]:
    """Say which modules call something in training that they do not call in eval mode, or the other way round."""
    missing, extra = Counter(call.key for call in before), list[_Used]()
    for call in after:
        if missing[call.key]:
            missing[call.key] -= 1
        else:
            extra.append(call)
    random = {call.module: call for call in extra if call.is_random}
    for kind in sorted({call.kind for call in random.values()}):
        names = [name for name, call in random.items() if call.kind == kind]
        yield f"{_some(names)} ({kind}) draws random numbers in training alone: the exported network leaves it out."
    other = {call.module: call for call in extra if call.module not in random}
    other |= {call.module: call for call in before if missing[call.key] and call.module not in random}
    for name, call in other.items():
        yield f"{name} computes otherwise in training ({call.line or call.operator}): the exported network does not."
    yield from _switches(before, after)


def _switches(before: list[_Used], after: list[_Used]) -> Iterator[str]:
    """Say which calls have a rate or mode of training that eval mode has written over."""
    attending = [call.module for call in after if call.operator == "scaled_dot_product_attention" and call.rate]
    quiet = all(not call.rate for call in before if call.operator == "scaled_dot_product_attention")
    if attending and quiet:
        yield f"Attention in {_some(attending)} drops weights in training: the exported network does not."
    lost = [call for call in after if call.mode is True and call.operator not in _SWITCHED and call.rate != 0]
    for operator in sorted({call.operator for call in lost}):
        names = [call.module for call in lost if call.operator == operator]
        yield f"{operator} in {_some(names)} works otherwise in training: the exported network keeps to eval mode."


def _outputs(program: ExportedProgram) -> tuple[str, list[str]]:
    kinds = [
        type(spec.arg).__name__ for spec in program.graph_signature.output_specs if spec.kind.name == "USER_OUTPUT"
    ]
    return str(program.call_spec.out_spec), kinds


def _some(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return (
        unique[0]
        if len(unique) == 1
        else f"each of {len(unique)} modules ({', '.join(unique[:3])}{', ...' * (len(unique) > 3)})"
    )
