"""Times of single calls of a program: on the host's clock, or between events of a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import cuda
from .._base import NodeTime
from .program import library

_WARMUP_RUNS = 3


class Stopwatch:
    """Times calls on the host's clock, which is right where they end before they return."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock

    def start(self) -> None:
        """Begin a run: nothing to do."""

    def mark(self) -> Any:
        """Return a moment."""
        return self._clock()

    def between(self, first: Any, second: Any) -> float:
        """Return the seconds between two moments."""
        return float(second - first)


def profile_calls(
    module: Any, inputs: Sequence[Any], runs: int, stopwatch: Stopwatch | cuda.Events
) -> tuple[NodeTime, ...]:
    """Return the mean seconds of each call of a module's graph, in order, after runs that do not count."""
    torch = library()
    moments: dict[str, list[tuple[Any, Any]]] = {}
    operators: dict[str, str] = {}

    class Timed(torch.fx.Interpreter):  # type: ignore[misc, name-defined, unused-ignore]
        def run_node(self, n: Any) -> Any:
            if n.op != "call_function":
                return super().run_node(n)
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            began = stopwatch.mark()
            found = n.target(*args, **kwargs)
            moments.setdefault(n.name, []).append((began, stopwatch.mark()))
            operators[n.name] = str(getattr(n.target, "_opname", getattr(n.target, "__name__", n.target)))
            return found

    with torch.inference_mode():
        for _ in range(_WARMUP_RUNS + runs):
            stopwatch.start()
            Timed(module).run(*inputs)
    return tuple(
        NodeTime(name, operators[name], float(np.mean([stopwatch.between(*pair) for pair in pairs[_WARMUP_RUNS:]])))
        for name, pairs in moments.items()
    )
