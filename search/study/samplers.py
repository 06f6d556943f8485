"""The samplers by name: a visible table of how proportions are proposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from optuna.samplers import BaseSampler, RandomSampler, TPESampler


@dataclass(frozen=True, slots=True)
class SamplerEntry:
    """One row of the table.

    Attributes:
        description: One line for the reader.
        make: Builds the sampler from a seed. A new one is built for each trial, so it must hold no state of its own.
    """

    description: str
    make: Callable[[int], BaseSampler]


SAMPLERS: Mapping[str, SamplerEntry] = {
    "tpe": SamplerEntry(
        "tree-structured Parzen estimator over all knobs together (Optuna's)",
        lambda seed: TPESampler(seed=seed, multivariate=True),
    ),
    "random": SamplerEntry(
        "proportions drawn at random: what the others are held against", lambda seed: RandomSampler(seed=seed)
    ),
}


def make_sampler(name: str, seed: int) -> BaseSampler:
    """Build a sampler by name.

    Raises:
        ValueError: The name is not in the table.
    """
    if name not in SAMPLERS:
        near = get_close_matches(name, SAMPLERS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Choose from {sorted(SAMPLERS)}."
        raise ValueError(f"A sampler is chosen by name, but there is none called {name!r}. {hint}")
    return SAMPLERS[name].make(seed)
