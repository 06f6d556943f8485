"""One call for each layer of a recurrent network: the layers may then differ in their hidden sizes."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from .calls import argument, operator_name

STACKS = frozenset({"gru", "lstm", "rnn_tanh", "rnn_relu"})
"""Operators that run several recurrent layers."""

_FILLED = frozenset({"zeros", "ones", "full", "new_zeros", "new_ones", "new_full"})
"""Operators that make a tensor of equal elements."""

_aten = torch.ops.aten


def unstack(node: fx.Node) -> None:
    """Replace a call that runs several layers by one call for each, with what is dropped between them.

    Time comes first between them, as runtimes have it: the values there are then found again in exported files.
    """
    layers, overload = argument(node, "num_layers"), getattr(node.target, "_overloadname", "")
    if layers == 1 or overload != "input" or any(operator_name(user) != "getitem" for user in node.users):
        return
    each = 2 if argument(node, "bidirectional") else 1
    with node.graph.inserting_before(node):
        made = _calls(node, layers, each)
        for user in list(node.users):
            index: Any = user.args[1]
            found = [_call(node, operator.getitem, (call, index), call.meta["val"][index]) for call in made]
            if index:
                _hand_on(user, found, each)
            elif argument(node, "batch_first"):
                user.replace_all_uses_with(_swapped(node, found[-1], user.meta["val"]))
            else:
                user.replace_all_uses_with(found[-1])
            node.graph.erase_node(user)
    node.graph.erase_node(node)


def _calls(node: fx.Node, layers: int, each: int) -> list[fx.Node]:
    """Make one call for each layer; `each` is the number of directions."""
    states, params = argument(node, "hx"), argument(node, "params")
    modes = [argument(node, "train"), argument(node, "bidirectional"), False]
    rate, count = argument(node, "dropout"), len(params) // layers
    output, *last = node.meta["val"]
    value, made = argument(node, "input"), list[fx.Node]()
    if argument(node, "batch_first"):
        value, output = _swapped(node, value, value.meta["val"].transpose(0, 1)), output.transpose(0, 1)
    for k in range(layers):
        if made:
            value = _call(node, operator.getitem, (made[-1], 0), output)
            value = _call(node, _aten.dropout.default, (value, rate, modes[0]), output) if rate else value
        own = [_layers_own(node, state, k, each) for state in (states if isinstance(states, list) else [states])]
        arguments = (value, own if isinstance(states, list) else own[0], list(params[k * count : (k + 1) * count]))
        found = (output, *(state[:each] for state in last))
        made.append(_call(node, node.target, (*arguments, argument(node, "has_biases"), 1, 0.0, *modes), found))
    return made


def _swapped(node: fx.Node, value: fx.Node, val: Any) -> fx.Node:
    return _call(node, _aten.transpose.int, (value, 0, 1), val)


def _layers_own(node: fx.Node, state: fx.Node, k: int, each: int) -> fx.Node:
    """Return the part of the first states that belongs to one layer."""
    if operator_name(state) in _FILLED:
        # Made for itself, so that its size ties no layer to another.
        names = [expected.name for expected in state.target._schema.arguments]  # type: ignore[union-attr]
        args = list(state.args)
        sizes: Any = args[names.index("size")]
        args[names.index("size")] = [each, *sizes[1:]]
        return _call(node, state.target, tuple(args), state.meta["val"][:each], dict(state.kwargs))
    part = (state, 0, k * each, (k + 1) * each)
    return _call(node, _aten.slice.Tensor, part, state.meta["val"][k * each : (k + 1) * each])


def _hand_on(user: fx.Node, states: list[fx.Node], each: int) -> None:
    """Let the readers of all layers' last states read the one that they pick, or all of them."""
    for reader in list(user.users):
        if reader.target is _aten.select.int and argument(reader, "dim") == 0:
            layer, direction = divmod(argument(reader, "index") % (len(states) * each), each)
            reader.args = (states[layer], 0, direction)
    if user.users:
        user.replace_all_uses_with(_call(user, _aten.cat.default, (states, 0), user.meta["val"]))


def _call(like: fx.Node, target: Any, args: tuple[Any, ...], val: Any, kwargs: dict[str, Any] | None = None) -> fx.Node:
    made = like.graph.call_function(target, args, kwargs or {})
    made.meta.update({**like.meta, "val": val})
    return made
