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

from .calls import argument, operator_name
from .lines import source_line
from .modes import calls_in, in_training
from .ready import copy_of
from .trace import check_runs, deep_stack, exported, first_line, made_ready

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
            model, _ = made_ready(model, args, kwargs)
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
        twin = in_training(copy_of(model, light=True))
        check_runs(twin, args, kwargs)
        training, *_ = exported(twin, args, kwargs)
    except Exception as exc:
        yield (
            "The network does not export in training mode, so what it does in training alone is not known: "
            f"{type(exc).__name__}: {first_line(exc)}"
        )
        return
    before, after = ([_Used(node) for node in calls_in(p.module(check_guards=False))] for p in (evaluating, training))
    if _outputs(evaluating) != _outputs(training):
        yield "The outputs differ in training (auxiliary ones?): the exported network has those of eval mode only."
    yield from _differences(before, after)


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
        rate = next((argument(node, n) for n in ("dropout_p", "dropout", "p") if n in names), None)
        self.rate = float(rate) if isinstance(rate, int | float) else None
        self.is_random = _SEEDED in getattr(node.target, "tags", ()) and self.rate != 0

    @property
    def key(self) -> tuple[str, str]:
        return self.module, self.operator


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
