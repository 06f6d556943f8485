"""What every step of a run needs, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from hwprofiles import Runtime, Target

from ..bench import Bench
from ..config import RunConfig
from ..folder import Folder
from ..graph import Blueprint
from ..importance import Scores
from ..progress import Progress
from ..study import Objective
from ..tasks import Task


@dataclass(frozen=True)
class Context:
    """What every step of a run needs; nothing in it changes on the way.

    Attributes:
        config: What the run is told.
        folder: Keeps what is done.
        progress: Told how far it is.
        bench: The network on its target.
        task: Its data, and what is good on them.
        scores: Importance of each unit.
        objective: Scores candidates.
    """

    config: RunConfig
    folder: Folder
    progress: Progress
    bench: Bench
    task: Task
    scores: Scores
    objective: Objective

    @property
    def blueprint(self) -> Blueprint:
        """The combed network."""
        return self.bench.blueprint

    @property
    def runtime(self) -> Runtime:
        """Runs files on the target."""
        return self.bench.runtime

    @property
    def target(self) -> Target:
        """What the network will run on."""
        return self.config.target
