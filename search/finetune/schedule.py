"""How long a training goes on, and the learning rate on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a training is to go on: exactly one of epochs and minutes.

    Attributes:
        epochs: Passes over the data; may be a fraction.
        minutes: Time instead.
        clock: Seconds that `minutes` are counted in.
    """

    epochs: float | None = None
    minutes: float | None = None
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Length:
    """When a training ends: after a number of steps, or after a time.

    Attributes:
        steps: Steps in all; None where time decides.
        seconds: Seconds in all; None where steps decide.
    """

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, epochs: float | None, minutes: float | None, steps_per_epoch: int) -> Length:
        """Make a length from epochs or minutes, exactly one of them above 0; at least one step."""
        if (epochs is None) == (minutes is None):
            raise ValueError(f"A training takes `epochs` or `minutes`, exactly one, but got {epochs=}, {minutes=}.")
        given = epochs if epochs is not None else minutes
        if given is None or not (math.isfinite(given) and given > 0):
            raise ValueError(f"The length of a training must be above 0, but got {epochs=}, {minutes=}.")
        if epochs is not None:
            return cls(steps=max(1, round(epochs * steps_per_epoch)))
        return cls(seconds=60 * given)

    def progress(self, step: int, elapsed_s: float) -> float:
        """Return the fraction that is done, 1 and above at the end."""
        if self.steps is not None:
            return step / self.steps
        return elapsed_s / self.seconds if self.seconds else 1.0


def learning_rate(peak: float, progress: float, warmup: float) -> float:
    """Return the rate at a progress in [0, 1): linear from a tenth of `peak` during `warmup`, then a cosine to 0.

    A first step at rate 0 would be wasted, and a short fine-tuning has few. Cosine: Loshchilov and Hutter 2017,
    "SGDR", eq. 5, without restarts.
    """
    if progress < warmup:
        return peak * (0.1 + 0.9 * progress / warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup))))
