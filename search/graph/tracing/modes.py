"""Literals that follow the mode of the network: what a call is told in evaluation, and what in training.

An exported graph holds modes as literals. Not each of them follows the network's: dropout may be random in evaluation
by the user's wish, a normalisation may keep its statistics in training. What follows is read off an export in
training mode, call by call; where every switch belongs to a layer of torch, off those layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from typing import Any

import torch
from torch import fx, nn

from ..module import attribute
from .calls import argument, is_region, operator_name
from .lines import module_path, source_line

MODES = "modes"
"""Key in a call's metadata: argument -> (its value in evaluation, in training), for those that follow the mode."""

SWITCHES = ("training", "train", "use_input_stats")
"""Arguments that say whether a call trains."""

_ATTENTION = "scaled_dot_product_attention"

_LAYERS = (
    nn.modules.batchnorm._NormBase,
    nn.modules.dropout._DropoutNd,
    nn.RNNBase,
    nn.RReLU,
)
"""Layers of torch whose calls train when, and only when, the layer does."""

_CONVENTION = {"batch_norm": "training", "dropout": "train", "feature_dropout": "train", "alpha_dropout": "train"}
"""Operator -> the argument that followed the mode in files that do not say which do."""


def calls_in(module: fx.GraphModule) -> Iterator[fx.Node]:
    """Yield the calls that compute tensors, of a graph and of those nested in it, but not the counting of batches."""
    for node in module.graph.nodes:
        if is_region(node):
            for source in node.all_input_nodes:
                found = attribute(module, str(source.target)) if source.op == "get_attr" else None
                if isinstance(found, fx.GraphModule):
                    yield from calls_in(found)
        elif (
            node.op == "call_function"
            and isinstance(node.meta.get("val"), torch.Tensor | list | tuple)
            and not any("num_batches_tracked" in str(source.target) for source in node.all_input_nodes)
        ):
            yield node


def switch_of(node: fx.Node) -> str | None:
    """Return the argument of a call that says whether it trains; None where it has none."""
    schema = getattr(node.target, "_schema", None)
    names = {expected.name for expected in schema.arguments} if schema is not None else set()
    return next((name for name in SWITCHES if name in names), None)


def in_training(twin: nn.Module) -> nn.Module:
    """Put a copy of a model into the mode that each of its parts is trained in: `train` is the model's own."""
    twin.train()
    for module in twin.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.momentum is None:
            # Averaging over all batches reads their number, which export cannot follow.
            module.momentum = 0.1
    return twin


def note_modes(
    evaluating: fx.GraphModule, training: nn.Module, export: Callable[[], fx.GraphModule]
) -> tuple[str, ...]:
    """Write into the calls of a graph which of their literals follow the mode, in place.

    Args:
        evaluating: The graph of the model in evaluation.
        training: A copy of the model in training.
        export: Exports that copy; called where the layers do not say enough.

    Returns:
        One sentence for each thing that users should know.
    """
    calls = list(calls_in(evaluating))
    unsaid = [node for node in calls if _has_modes(node) and not _said_by_layer(node, training)]
    notes: list[str] = []
    if unsaid:
        try:
            _compare(calls, list(calls_in(export())))
        except Exception as exc:
            why = (str(exc).strip().splitlines() or [type(exc).__name__])[0].rstrip(".")
            notes += [note for node in unsaid if (note := _presume(node, why)) is not None]
    return (*notes, *_told(calls))


def switch(graph: fx.Graph, training: bool) -> bool:
    """Put the literals of a graph that follow the mode into one; return whether anything changed."""
    changed = False
    for node in graph.nodes:
        for name, values in node.meta.get(MODES, {}).items():
            value = values[training]
            if _has(node, name) and argument(node, name) != value:
                set_argument(node, name, value)
                changed = True
    return changed


def conventional(node: fx.Node) -> None:
    """Note the modes of a call of a stored graph that does not say them: as all graphs had them once."""
    name = _CONVENTION.get(operator_name(node))
    if name is not None and (operator_name(node) != "batch_norm" or argument(node, "running_mean") is not None):
        node.meta[MODES] = {name: (False, True)}


def keeps_statistics(node: fx.Node) -> bool:
    """Tell whether a normalisation uses its stored statistics in training too, and learns none."""
    name = switch_of(node) if operator_name(node) in ("batch_norm", "instance_norm") else None
    return name is not None and argument(node, name) is False and name not in node.meta.get(MODES, {})


def set_argument(node: fx.Node, name: str, value: Any) -> None:
    """Set a call's argument by its name in the operator's schema."""
    names = [expected.name for expected in node.target._schema.arguments]  # type: ignore[union-attr]
    position = names.index(name)
    if position < len(node.args):
        node.update_arg(position, value)
    else:
        node.update_kwarg(name, value)


def _has(node: fx.Node, name: str) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(expected.name == name for expected in schema.arguments)


def _has_modes(node: fx.Node) -> bool:
    return switch_of(node) is not None or operator_name(node) == _ATTENTION


def _said_by_layer(node: fx.Node, training: nn.Module) -> bool:
    """Note a call's modes where a layer of torch makes it and says so; tell whether that was so."""
    name = switch_of(node)
    if name is None:
        return False
    try:
        layer = training.get_submodule(module_path(node))
    except AttributeError:
        return False
    plain = isinstance(layer, _LAYERS) and type(layer).__module__.startswith("torch.nn.")
    if not plain or layer._forward_pre_hooks or layer._forward_hooks or "forward" in vars(layer):
        return False
    if isinstance(layer, nn.modules.batchnorm._NormBase):
        if layer.track_running_stats != (layer.running_mean is not None):
            return False
        if not layer.track_running_stats:
            # The statistics of the batch in both modes.
            return argument(node, name) is True
    if argument(node, name) is not False:
        return False
    if layer.training:
        node.meta[MODES] = {name: (False, True)}
    return True


# ---- two exports -----------------------------------------------------------------------------------------------------


def _compare(evaluating: list[fx.Node], training: list[fx.Node]) -> None:
    """Note the literals that differ between the calls of two exports that stand for each other."""
    mine, theirs = _by_module(evaluating), _by_module(training)
    for module, before in mine.items():
        after = theirs.get(module, [])
        keys = [[(operator_name(node), source_line(node)) for node in nodes] for nodes in (before, after)]
        matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
        for a, b, size in matcher.get_matching_blocks():
            for old, new in zip(before[a : a + size], after[b : b + size], strict=True):
                if found := _modes(old, new):
                    old.meta[MODES] = found
                else:
                    old.meta.pop(MODES, None)


def _by_module(nodes: list[fx.Node]) -> dict[str, list[fx.Node]]:
    found: dict[str, list[fx.Node]] = defaultdict(list)
    for node in nodes:
        found[module_path(node)].append(node)
    return found


def _modes(old: fx.Node, new: fx.Node) -> dict[str, tuple[Any, Any]]:
    schema = getattr(old.target, "_schema", None)
    if schema is None or old.target is not new.target:
        return {}
    found: dict[str, tuple[Any, Any]] = {}
    for expected in schema.arguments:
        values = argument(old, expected.name), argument(new, expected.name)
        kinds = {type(value) for value in values}
        if kinds in ({bool}, {float}) and values[0] != values[1] and expected.name != "momentum":
            found[expected.name] = values
    if operator_name(old) == "batch_norm" and found.get("training") == (False, True):
        given = argument(old, "running_mean"), argument(new, "running_mean")
        if given[0] is not None and given[1] is None:
            # Training takes the batch's statistics and leaves the stored ones as they are.
            found["momentum"] = (argument(old, "momentum"), 0.0)
    return found


def _presume(node: fx.Node, why: str) -> str | None:
    """Note the modes of a call where no export in training mode says them; return what is to be said of it."""
    name = switch_of(node)
    if name is None:
        return None
    if argument(node, name) is False:
        node.meta[MODES] = {name: (False, True)}
    return (
        f"The network does not export in training mode ({why}), so {operator_name(node)}"
        f" ({source_line(node) or node.name}) is taken to "
        + ("follow the mode of the network." if MODES in node.meta else "be the same in training as in evaluation.")
    )


def _told(calls: list[fx.Node]) -> Iterator[str]:
    """Say what does not follow the mode, as the user wants it."""
    frozen = dict.fromkeys(module_path(node) or "the network itself" for node in calls if keeps_statistics(node))
    if frozen:
        yield (
            f"{_some(list(frozen))} keeps its statistics in training, as in the network itself: the cut network does, "
            "too, and they are not computed anew."
        )
    for node in calls:
        name = switch_of(node)
        if name is not None and argument(node, name) is True and torch.Tag.nondeterministic_seeded in node.target.tags:  # type: ignore[union-attr]
            yield (
                f"{operator_name(node)} ({source_line(node) or node.name}) is random in evaluation too, as in the "
                "network itself: so it is in the cut network."
            )


def _some(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"Each of {len(names)} modules ({', '.join(names[:3])}{', ...' * (len(names) > 3)})"
