"""The command `lathe init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwprofiles import writing_whole

from ..config import config_template
from ..engine import names
from ..errors import ConfigError
from .terminal import errors


def init(
    path: Annotated[Path, typer.Argument(help="Config file to write.")] = Path("net.toml"),
) -> int:
    """Write an example config with comments."""
    try:
        with writing_whole(path, replace=False) as file:
            file.write(config_template(names()).encode())
    except FileExistsError as exc:
        raise ConfigError(f"A config is never overwritten, but {path} exists: name another file.") from exc
    except OSError as exc:
        raise ConfigError(
            f"The config must be writable, but {path} is not ({exc.strerror}): name a file in a folder that exists and "
            "is yours."
        ) from exc
    told = f"Wrote {path}. Edit it, then: lathe run {path} --dry-run"
    errors().print(told, highlight=False, markup=False, soft_wrap=True)
    return 0
