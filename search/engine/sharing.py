"""Leave other processes their cores while PyTorch computes."""

from __future__ import annotations

from ..finetune import FreeThreads
from ..progress import Progress

COMPUTING = frozenset({"train", "search", "finetune"})
"""Stages in which PyTorch computes and nothing is timed."""


class Sharing:
    """Tells on, and leaves other processes their cores in the stages in which PyTorch computes.

    Args:
        progress: Told everything.
        threads: Adapted at the begin of each such stage and on the way.
    """

    def __init__(self, progress: Progress, threads: FreeThreads) -> None:
        self._progress, self._threads, self._computes = progress, threads, False

    def stage(self, name: str, detail: str = "") -> None:
        """Begin a stage."""
        self._computes = name in COMPUTING
        self._progress.stage(name, detail)
        self._adapt()

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Tell how far the present stage is."""
        self._progress.step(done, total, detail)
        self._adapt()

    def note(self, text: str) -> None:
        """Tell something worth reading."""
        self._progress.note(text)

    def _adapt(self) -> None:
        # Never while something is timed: a session on PyTorch has its target's number of threads.
        if self._computes:
            self._threads.adapt()
