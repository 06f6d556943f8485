"""How a run tells what it is doing; the command line draws it, everything else may ignore it."""

from __future__ import annotations

from typing import Protocol

from ..finetune import FreeThreads

COMPUTING = frozenset({"train", "search", "finetune"})
"""Stages in which PyTorch computes and nothing is timed."""


class Progress(Protocol):
    """What a run calls as it goes."""

    def stage(self, name: str, detail: str = "") -> None:
        """Begin a stage."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Tell how far the present stage is."""

    def note(self, text: str) -> None:
        """Tell something worth reading, in one sentence."""


class Silent:
    """Tells nobody."""

    def stage(self, name: str, detail: str = "") -> None:
        """Ignore a stage."""

    def step(self, done: int, total: int, detail: str = "") -> None:
        """Ignore a step."""

    def note(self, text: str) -> None:
        """Ignore a note."""


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
