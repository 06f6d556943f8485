"""Which calls of a graph draw random numbers, as their literals stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import fx, nn

from .calls import argument, operator_name
from .modes import switch_of

SEED = 0
"""Of what a network draws while it runs: the same in every proof and process."""

_RATES = ("dropout_p", "dropout", "p")


def draws_numbers(node: fx.Node) -> bool:
    """Tell whether a call draws random numbers: not where it is switched off, or its rate is zero."""
    if torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
        return False
    switch = switch_of(node)
    if switch is not None and argument(node, switch) is False:
        return False
    names = {expected.name for expected in node.target._schema.arguments}  # type: ignore[union-attr]
    rate = next((argument(node, name) for name in _RATES if name in names), None)
    # A Bernoulli variable of probability 0 draws as well as any other.
    return operator_name(node) == "bernoulli" or not (isinstance(rate, int | float) and rate == 0)


def drawing(module: nn.Module) -> tuple[str, ...]:
    """Return the names of the operators that draw random numbers in a graph or in those nested in it, each once."""
    graphs = [part.graph for part in module.modules() if isinstance(part, fx.GraphModule)]
    return tuple(dict.fromkeys(operator_name(node) for graph in graphs for node in graph.nodes if draws_numbers(node)))


@contextmanager
def seeded_draws() -> Iterator[None]:
    """Let a network draw its random numbers from one seed, whenever it runs; the generator is put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        yield
