"""How a run tells what it is doing; the command line draws it, everything else may ignore it."""

from __future__ import annotations

from typing import Protocol


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
