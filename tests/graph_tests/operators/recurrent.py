"""Recurrent layers and cells: called with free axes, and as modules in stacks."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from ._base import Case, frame

TIME, BATCH, INPUT, HIDDEN = 2, 3, 5, 4

X = (TIME, BATCH, INPUT)


def _ran(operator: Callable[..., Any], *, both: bool = False, first: bool = False, states: int = 1) -> Any:
    """Return a layer as a function of x, the states, and the rest."""

    def run(x: Tensor, *rest: Tensor) -> Any:
        state = rest[0] if states == 1 else list(rest[:2])
        params = list(rest[states:])
        biased = any(p.dim() == 1 for p in params)
        return operator(x, state, params, biased, 1, 0.0, False, both, first)

    return run


def _weights(gates: int, *, biased: bool = True, inputs: int = INPUT, hidden: int = HIDDEN) -> list[tuple[int, ...]]:
    rows = gates * hidden
    return [(rows, inputs), (rows, hidden), *([(rows,)] * 2 if biased else [])]


def _state(directions: int = 1, width: int = HIDDEN) -> tuple[int, int, int]:
    return directions, BATCH, width


def _stack(kind: Callable[..., nn.Module], *sizes: int, out: int, **options: Any) -> Any:
    return lambda: {"net": kind(*sizes, **options), "before": nn.Linear(7, sizes[0]), "after": nn.Linear(out, 2)}


def _ends(pick: Callable[[Any], Tensor]) -> Any:
    """Feed a stack and read what is picked of its outputs."""

    def run(network: Any, x: Tensor) -> Tensor:
        out: Tensor = network.after(pick(network.net(network.before(x))))
        return out

    return run


def _two_steps(network: Any, x: Tensor) -> Tensor:
    """Run a cell by hand, from no state."""
    y = network.before(x)
    state = network.net(y[:, 0])
    state = network.net(y[:, 1], state)
    out: Tensor = network.after(state[0] if isinstance(state, tuple) else state)
    return out


@dataclass(frozen=True, slots=True)
class Kind:
    """One step of a recurrent operator on x (n, i).

    Attributes:
        name: Of the operator.
        gates: Blocks of rows in its weights.
        step: Computes the next output from x, the state (n, hidden) and the weights; an LSTM's memory begins with it.
    """

    name: str
    gates: int
    step: Callable[..., Tensor]

    def meet(self) -> list[Case]:
        """Return networks in which an axis would be taken for the label of another if the rule did not part them."""
        name, step = self.name, self.step
        cases = [
            frame(
                f"{name}: features that meet hidden units",
                lambda p, q, *w: _symmetric(step(p.view(4, 5), q, *w)),
                (20,),
                (4, 4),
                *_weights(self.gates),
                dims={"p:0.0": 4, "p:0.1": 5},
            ),
            frame(
                f"{name}: examples that meet features",
                lambda p, q, *w: step(p.view(4, 3).t(), q, *w) + p.view(4, 3).t(),
                (12,),
                (3, 4),
                *_weights(self.gates, inputs=4),
                dims={"p:0.0": 4, "p:0.1": 3},
            ),
        ]
        return cases if self.gates == 1 else [*cases, self._gated()]

    def _gated(self) -> Case:
        def run(p: Tensor, q: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
            x = p.view(self.gates, 5)
            return self.step(x, q, *weights), weights[0].view(self.gates, 4, 5).sum(1) + x

        return frame(
            f"{self.name}: hidden units that meet gates",
            run,
            (self.gates * 5,),
            (self.gates, 4),
            *_weights(self.gates),
            dims={"p:0.1": 5, "q:1": 4},
        )


def _symmetric(y: Tensor) -> Tensor:
    return y + y.t()


def _layer_step(operator: Callable[..., Any], states: int = 1) -> Callable[..., Tensor]:
    """Return one step of a layer: its time is 1."""
    run = _ran(operator, states=states)
    return lambda x, h, *weights: run(x[None], *[h[None]] * states, *weights)[0][0]


def _memory_step(x: Tensor, h: Tensor, *weights: Tensor) -> Tensor:
    return torch.lstm_cell(x, [h, h], *weights)[0]


KINDS = [
    Kind("gru", 3, _layer_step(torch.gru)),
    Kind("lstm", 4, _layer_step(torch.lstm, 2)),
    Kind("rnn_tanh", 1, _layer_step(torch.rnn_tanh)),
    Kind("rnn_relu", 1, _layer_step(torch.rnn_relu)),
    Kind("gru_cell", 3, torch.gru_cell),
    Kind("lstm_cell", 4, _memory_step),
    Kind("rnn_tanh_cell", 1, torch.rnn_tanh_cell),
    Kind("rnn_relu_cell", 1, torch.rnn_relu_cell),
]


def _projected(x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    """Run one step of a projected LSTM; return its output and its memory."""
    y, _, memory = _ran(torch.lstm, states=2)(x[None], h[None], c[None], *weights)
    return y[0], memory[0]


def _units_on_examples(p: Tensor, x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    y, memory = _projected(x, h, c, *weights, p.view(4, 2).t())
    return y, _symmetric(memory)


def _features_on_examples(p: Tensor, x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    y, memory = _projected(x, h, c, *weights, p.view(2, 4))
    return _symmetric(y) + x, memory


GATES = "the gates of a recurrent layer"

SQUARE = (3, 3, 3), (1, 3, 3)
"""Shapes of x and a state."""

CASES = [
    *[
        frame(
            f"{name}: square",
            _ran(getattr(torch, name), states=states),
            *SQUARE,
            *SQUARE[1:] * (states - 1),
            *_weights(gates, inputs=3, hidden=3),
            dims={"p:1": 3, "p:2": 3, "q:2": 3},
        )
        for name, gates, states in (("gru", 3, 1), ("lstm", 4, 2), ("rnn_tanh", 1, 1), ("rnn_relu", 1, 1))
    ],
    *[
        frame(
            f"{name}: square",
            getattr(torch, name),
            (3, 3),
            (3, 3),
            *_weights(gates, inputs=3, hidden=3),
            dims={"p:0": 3, "p:1": 3, "q:1": 3},
        )
        for name, gates in (("gru_cell", 3), ("rnn_tanh_cell", 1), ("rnn_relu_cell", 1))
    ],
    frame(
        "lstm_cell: square",
        lambda x, h, c, *weights: torch.lstm_cell(x, [h, c], *weights),
        *[(3, 3)] * 3,
        *_weights(4, inputs=3, hidden=3),
        dims={"p:0": 3, "p:1": 3, "q:1": 3},
    ),
    *chain.from_iterable(kind.meet() for kind in KINDS),
    frame(
        "gru: one direction",
        _ran(torch.gru),
        X,
        _state(),
        *_weights(3),
        dims={"p:1": BATCH, "p:2": INPUT, "q:2": HIDDEN},
        frozen={"p:0": "gru (gru) works along axis 0 of its input", "r:0.0": GATES},
    ),
    frame(
        "gru: both directions, the batch first, no biases",
        _ran(torch.gru, both=True, first=True),
        (BATCH, TIME, INPUT),
        _state(2),
        *_weights(3, biased=False) * 2,
        dims={"p:0": BATCH, "p:2": INPUT, "q:2": HIDDEN},
        frozen={"p:1": "gru (gru) works along axis 1 of its input", "q:0": "works along axis 0 of its hx"},
    ),
    frame(
        "lstm: one direction",
        _ran(torch.lstm, states=2),
        X,
        _state(),
        _state(),
        *_weights(4),
        dims={"p:1": BATCH, "p:2": INPUT, "q:2": HIDDEN},
        frozen={"s:0.0": GATES},
    ),
    frame(
        "lstm: both directions",
        _ran(torch.lstm, states=2, both=True),
        X,
        _state(2),
        _state(2),
        *_weights(4) * 2,
        dims={"p:1": BATCH, "p:2": INPUT, "q:2": HIDDEN},
    ),
    frame(
        "lstm: projected",
        _ran(torch.lstm, states=2),
        X,
        _state(width=2),
        _state(),
        (4 * HIDDEN, INPUT),
        (4 * HIDDEN, 2),
        (4 * HIDDEN,),
        (4 * HIDDEN,),
        (2, HIDDEN),
        dims={"p:1": BATCH, "p:2": INPUT, "q:2": 2, "r:2": HIDDEN},
    ),
    frame(
        "lstm: projected units that meet hidden ones",
        _units_on_examples,
        (8,),
        (4, 5),
        (4, 2),
        (4, 4),
        (16, 5),
        (16, 2),
        dims={"p:0.0": 4, "p:0.1": 2, "q:1": 5},
    ),
    frame(
        "lstm: hidden units that meet projected ones",
        _features_on_examples,
        (8,),
        (2, 2),
        (2, 2),
        (2, 4),
        (16, 2),
        (16, 2),
        dims={"p:0.0": 2, "p:0.1": 4},
    ),
    frame(
        "rnn_tanh: one direction",
        _ran(torch.rnn_tanh),
        X,
        _state(),
        *_weights(1),
        dims={"p:1": BATCH, "p:2": INPUT, "q:2": HIDDEN},
    ),
    frame(
        "rnn_relu: both directions",
        _ran(torch.rnn_relu, both=True),
        X,
        _state(2),
        *_weights(1) * 2,
        dims={"p:1": BATCH, "p:2": INPUT, "q:2": HIDDEN},
    ),
    frame(
        "gru_cell: by itself",
        lambda x, h, *weights: torch.gru_cell(x, h, *weights),
        X[1:],
        (BATCH, HIDDEN),
        *_weights(3),
        dims={"p:0": BATCH, "p:1": INPUT, "q:1": HIDDEN},
        frozen={"r:0.0": GATES},
    ),
    frame(
        "lstm_cell: by itself",
        lambda x, h, c, *weights: torch.lstm_cell(x, [h, c], *weights),
        X[1:],
        (BATCH, HIDDEN),
        (BATCH, HIDDEN),
        *_weights(4),
        dims={"p:0": BATCH, "p:1": INPUT, "q:1": HIDDEN},
    ),
    frame(
        "rnn_tanh_cell: without biases",
        lambda x, h, *weights: torch.rnn_tanh_cell(x, h, *weights),
        X[1:],
        (BATCH, HIDDEN),
        *_weights(1, biased=False),
        dims={"p:0": BATCH, "p:1": INPUT, "q:1": HIDDEN},
    ),
    frame(
        "rnn_relu_cell: by itself",
        lambda x, h, *weights: torch.rnn_relu_cell(x, h, *weights),
        X[1:],
        (BATCH, HIDDEN),
        *_weights(1),
        dims={"p:0": BATCH, "p:1": INPUT, "q:1": HIDDEN},
    ),
    Case(
        "gru: two layers of two sizes",
        _stack(nn.GRU, 6, 4, out=4, num_layers=2, batch_first=True, dropout=0.5),
        _ends(lambda found: found[0] + found[1][-1][:, None]),
        [(2, 3, 7)],
        {"net.weight_ih_l0:1": 6, "net.weight_ih_l0:0.1": 4, "net.weight_ih_l1:0.1": 4},
    ),
    Case(
        "gru: two layers, all states read",
        _stack(nn.GRU, 6, 4, out=4, num_layers=2, batch_first=True),
        _ends(lambda found: found[1].sum(0)),
        [(2, 3, 7)],
        {"net.weight_ih_l0:1": 6, "net.weight_ih_l0:0.1": 4},
    ),
    Case(
        "lstm: two layers in both directions",
        _stack(nn.LSTM, 6, 4, out=8, num_layers=2, batch_first=True, bidirectional=True),
        _ends(lambda found: torch.cat([found[1][0][-2], found[1][1][3]], 1)),
        [(2, 3, 7)],
        {"net.weight_ih_l0:1": 6, "net.weight_ih_l0:0.1": 4, "net.weight_ih_l1:0.1": 4},
    ),
    Case(
        "lstm: two projected layers",
        _stack(nn.LSTM, 6, 4, out=2, num_layers=2, batch_first=True, proj_size=2),
        _ends(lambda found: found[0]),
        [(2, 3, 7)],
        {
            "net.weight_ih_l0:1": 6,
            "net.weight_ih_l0:0.1": 4,
            "net.weight_hh_l0:1": 2,
            "net.weight_ih_l1:0.1": 4,
            "net.weight_hh_l1:1": 2,
        },
    ),
    Case(
        "gru_cell: two steps",
        lambda: {"net": nn.GRUCell(6, 4), "before": nn.Linear(7, 6), "after": nn.Linear(4, 2)},
        _two_steps,
        [(2, 2, 7)],
        {"net.weight_ih:1": 6, "net.weight_ih:0.1": 4},
    ),
    Case(
        "lstm_cell: two steps",
        lambda: {"net": nn.LSTMCell(6, 4), "before": nn.Linear(7, 6), "after": nn.Linear(4, 2)},
        _two_steps,
        [(2, 2, 7)],
        {"net.weight_ih:1": 6, "net.weight_ih:0.1": 4},
    ),
]
