"""Recurrent layers (GRU, LSTM, and plain ones) and their cells: what a hidden unit is made of.

A unit of the hidden state has one row in each gate of both weights and biases, so their axis 0 is [gates, hidden]; the
state of the step before is contracted with axis 1 of the second weight. A unit whose rows are zero stays zero.
"""

from __future__ import annotations

from ..axes import Axis
from ..sizes import Size
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
    states = _states(call)
    batch = call.tie(x[1 - time], *(call.take(name, 1) for name in states))
    widths = [call.take(name, 2) for name in states]
    names = call.listed("params")
    directions = call.tensors[states[0]][0]
    gate = _steps(call, batch, x[2], widths)
    each = len(names) // (2 if call.arguments["bidirectional"] else 1)
    for start in range(0, len(names), each):
        _weights(call, names[start : start + each], x[2], widths, gate)
    x[2] = directions + widths[0]
    return [x, *([directions, batch, width] for width in widths)]


def cell(call: Call) -> list[Axes]:
    """Run one step on x (n, i) and the states (n, hidden): the next states."""
    batch, features = call.take_all("input")
    states = _states(call)
    widths = [call.take(name, 1) for name in states]
    call.tie(batch, *(call.take(name, 0) for name in states))
    gate = _steps(call, batch, features, widths)
    names = [name for name in ("w_ih", "w_hh", "b_ih", "b_hh") if call.has(name)]
    _weights(call, names, features, widths, gate)
    return [[batch, width] for width in widths]


def _states(call: Call) -> list[str]:
    """Return the names of what is fed back: the output of the step before and, of an LSTM, the memory."""
    return ["hx"] if call.has("hx") else call.listed("hx")


def _steps(call: Call, batch: Axis, features: Axis, widths: list[Axis]) -> Axis:
    """Say what a step does: it contracts the features and the output before. Return the axis that counts gates."""
    gates = next(count for name, count in _GATES.items() if call.operator.startswith(name))
    gate = call.fresh(Size(gates), "the gates of a recurrent layer")
    out, hidden = widths[0], widths[-1]
    call.sums(features, out)
    call.apart(features, gate, hidden)
    call.apart(batch, features)
    if gate:
        call.apart(hidden, gate)
    if call.algebra.size(out) == call.algebra.size(hidden):
        call.tie(*widths)
    else:
        # A projection contracts the hidden units. The operator takes equal sizes for a layer without one.
        call.contracts(hidden, out)
        call.floors.append((hidden, call.algebra.size(out).count + 1))
    return gate


def _weights(call: Call, names: list[str], features: Axis, widths: list[Axis], gate: Axis) -> None:
    """Tie what one direction reads: (gates hidden, i), (gates hidden, out), biases, and a projection (out, hidden)."""
    of_input, of_state, *others = names
    call.tie(features, call.take(of_input, 1))
    call.tie(widths[0], call.take(of_state, 1))
    biases = [name for name in others if call.rank(name) == 1]
    for name in (of_input, of_state, *biases):
        call.tie(gate + widths[-1], call.take(name, 0))
    for name in others[len(biases) :]:
        for axis, own in zip(widths, call.take_all(name), strict=True):
            call.tie(axis, own)
