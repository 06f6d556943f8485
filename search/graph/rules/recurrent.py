"""Recurrent layers (GRU, LSTM, and plain ones) and their cells: what a hidden unit is made of.

A unit of the hidden state has one row in each gate of both weights and biases, so their axis 0 is [gates, hidden]; the
state of the step before is contracted with axis 1 of the second weight. A unit whose rows are zero stays zero.
"""

from __future__ import annotations

from ..axes import Axis, Size
from ._base import Axes, Call

_GATES = {"gru": 3, "lstm": 4, "rnn_tanh": 1, "rnn_relu": 1}
"""Beginning of an operator's name -> blocks of rows in its weights."""


def layer(call: Call) -> list[Axes]:
    """Run one layer over x (time, n, i), or (n, time, i): (time, n, [directions, hidden]) and the last states.

    The two directions share their hidden units: the operator takes one size for both.

    Raises:
        ValueError: There are several layers in one call; tracing makes a call of each.
    """
    if call.arguments["num_layers"] != 1:
        raise ValueError("A call runs one layer.")
    time = 1 if call.arguments["batch_first"] else 0
    x = call.take_all("input", but=[time])
    state, memory = _states(call)
    batch = call.tie(x[1 - time], *(call.take(name, 1) for name in dict.fromkeys((state, memory))))
    out, hidden = call.take(state, 2), call.take(memory, 2)
    names = call.listed("params")
    directions = call.tensors[state][0]
    each = len(names) // (2 if call.arguments["bidirectional"] else 1)
    for start in range(0, len(names), each):
        _weights(call, names[start : start + each], x[2], out, hidden)
    call.apart(batch, x[2])
    x[2] = directions + out
    widths = [out] if memory == state else [out, hidden]
    return [x, *([directions, batch, width] for width in widths)]


def cell(call: Call) -> list[Axes]:
    """Run one step on x (n, i) and the states (n, hidden): the next states."""
    x = call.take_all("input")
    names = [name for name in ("w_ih", "w_hh", "b_ih", "b_hh") if call.has(name)]
    states = [call.take_all(name) for name in dict.fromkeys(_states(call))]
    for axes in zip(*states, strict=True):
        call.tie(*axes)
    batch, hidden = states[0]
    call.tie(x[0], batch)
    _weights(call, names, x[1], hidden, hidden)
    call.apart(batch, x[1])
    return states


def _states(call: Call) -> tuple[str, str]:
    """Return the names of what is fed back and of the memory; these are one where there is no other."""
    if call.has("hx"):
        return "hx", "hx"
    state, memory = call.listed("hx")
    return state, memory


def _weights(call: Call, names: list[str], features: Axis, out: Axis, hidden: Axis) -> None:
    """Tie what one direction reads: (gates hidden, i), (gates hidden, out), biases, and a projection (out, hidden)."""
    gates = next(count for name, count in _GATES.items() if call.operator.startswith(name))
    gate = call.fresh(Size(gates), "the gates of a recurrent layer")
    of_input, of_state, *others = names
    call.tie(features, call.take(of_input, 1))
    call.tie(out, call.take(of_state, 1))
    biases = [name for name in others if call.rank(name) == 1]
    for name in (of_input, of_state, *biases):
        call.tie(call.take(name, 0), gate + hidden)
    call.sums(features, out)
    call.apart(features, gate, hidden)
    if gate:
        call.apart(hidden, gate)
    projection = next((name for name in others if call.rank(name) == 2), None)
    if projection is None:
        call.tie(out, hidden)
    else:
        _projected(call, projection, out, hidden)


def _projected(call: Call, projection: str, out: Axis, hidden: Axis) -> None:
    """Contract the hidden units with a projection.

    The operator takes equal sizes for a layer without one, so there are always more hidden units than projected ones.
    """
    call.tie(out, call.take(projection, 0))
    call.tie(hidden, call.take(projection, 1))
    call.contracts(hidden, out)
    call.floors.append((hidden, call.algebra.size(out).count + 1))
