"""The shapes of an LSTM's last states, which some versions of torch get wrong while they export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_steps: Any = torch._decomp.decompositions
"""Where torch keeps the steps of a layer: it runs them on stand-ins, and writes them out where it is asked to."""


@contextmanager
def right_states() -> Iterator[None]:
    """Let an LSTM's last states have the shapes of its first, for as long as something is exported.

    A layer's steps count directions on an axis 0 that they add to its states, (n, hidden). Those of torch 2.11 take
    axis 1 away in the end, so that (1, n, hidden) is left of any batch but 1: a network's own arithmetic on sizes is
    then recorded with others than it runs with, and steps that are written out return others. Right states stay.
    """
    found = _steps.one_layer_lstm

    def one_layer_lstm(x: Any, first: Any, *args: Any, **kwargs: Any) -> Any:
        output, last = found(x, first, *args, **kwargs)
        pairs = zip(last, first, strict=True)
        return output, tuple(state.squeeze(0) if state.dim() > given.dim() else state for state, given in pairs)

    _steps.one_layer_lstm = one_layer_lstm
    try:
        yield
    finally:
        _steps.one_layer_lstm = found
