"""What a config can choose from: the tables of all parts, in one value."""

from __future__ import annotations

from pathlib import Path

from .. import config as configs
from ..config import Names, RunConfig
from ..errors import ConfigError
from ..finetune import OPTIMIZERS
from ..study import SAMPLERS
from ..tasks import TASKS


def names() -> Names:
    """Return the names that there are now, and what each is."""
    return Names(
        tasks={name: row.description for name, row in TASKS.items()},
        samplers={name: row.description for name, row in SAMPLERS.items()},
        optimizers={name: row.description for name, row in OPTIMIZERS.items()},
    )


def load_config(path: Path | str) -> RunConfig:
    """Read a config file and check everything about it that can be checked without running anything.

    Args:
        path: The TOML file. Names in it are relative to its folder.

    Raises:
        ConfigError: The file, a section, a key or a value is missing, unknown or not legal, or a file that the
            config names does not exist.
    """
    return configs.load_config(path, names())


def check_names(config: RunConfig) -> None:
    """Check the names in a config that was made in Python.

    Raises:
        ConfigError: One is in no table.
    """
    told = {
        "task": {"kind": config.task.kind},
        "search": {"sampler": config.search.sampler},
        "finetune": {"optimizer": config.finetune.settings.optimizer},
    }
    for section, sentence in names().complaints(told):
        raise ConfigError(f"[{section}] {sentence}")
