"""The whole of what a run is told, and what makes it this run and not another."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwprofiles import Target

from .sections import (
    BudgetConfig,
    FinetuneConfig,
    ModelConfig,
    RunSettings,
    SearchConfig,
    SpaceConfig,
    TaskConfig,
    is_source,
)

IDENTITY_FORMAT = 1
"""Format history: 1 (2026-11): sections as in the config file, target as slug, digest of the weights."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that a run is told; see `load_config`."""

    model: ModelConfig
    task: TaskConfig
    targets: tuple[Target, ...]
    budget: BudgetConfig
    space: SpaceConfig = field(default_factory=SpaceConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        if not self.targets:
            raise ValueError("A run has a target, but `targets` is empty.")
        if len(self.targets) > 1:
            raise ValueError(
                f"Several targets in one run: not yet, but there are {len(self.targets)}; write one config for each."
            )
        if not self.task.own:
            shape = self.model.shape
            for key in ("mean", "std"):
                values = getattr(self.task, key)
                if values is not None and len(values) not in (1, shape[0]):
                    raise ValueError(
                        f"`{key}` holds one value or one for each of the input's {shape[0]} channels, but got {values}."
                    )

    @property
    def target(self) -> Target:
        """The target of the run."""
        return self.targets[0]

    def given(self) -> tuple[Path, ...]:
        """Return the files and folders that the run reads and must leave as they are."""
        task = self.task
        named = [(self.model.folder, self.model.weights)]
        named += [(self.model.folder, _file_of(self.model.source)), (task.folder, _file_of(task.kind))]
        named += [(task.folder, _file_of(data) if is_source(data) else data) for data in (task.train, task.val) if data]
        return tuple(folder / name for folder, name in named if name is not None)

    def identity(self) -> dict[str, Any]:
        """Return what makes this run this run, as an object that JSON holds without loss.

        Left out is what does not change the answer: where the config lies, where the run writes, whether cuts are
        proven and when it should stop for today. Limits of the space are left out where they are not set. The content
        of the weights is part of it, because equal names with retrained weights would make every stored score wrong.
        """
        weights = self.model.weights_path
        model = {
            "source": self.model.source,
            "weights": self.model.weights,
            "weights_sha256": _digest(weights) if weights is not None and weights.is_file() else None,
            "input": {name: list(shape) for name, shape in self.model.inputs},
        }
        finetune = dataclasses.asdict(self.finetune)
        finetune.update(finetune.pop("settings"))
        identity = {
            "format": IDENTITY_FORMAT,
            "model": model,
            "task": {key: value for key, value in dataclasses.asdict(self.task).items() if key != "folder"},
            "target": [target.slug for target in self.targets],
            "budget": {f"latency_{self.budget.latency.kind}": self.budget.latency.value},
            "space": {k: v for k, v in dataclasses.asdict(self.space).items() if k == "keep" or v},
            "search": {key: value for key, value in dataclasses.asdict(self.search).items() if key != "time_limit_s"},
            "finetune": finetune,
            "run": {"seed": self.run.seed},
        }
        plain: dict[str, Any] = json.loads(json.dumps(identity))
        return plain


def _file_of(source: str) -> str | None:
    """Return the Python file of a source, or None where it names a module or no source at all."""
    place = source.rpartition(":")[0]
    return place if place.endswith(".py") else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
