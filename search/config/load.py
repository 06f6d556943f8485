"""Read the config file of a run.

Every complaint names the file, the section and key, the rule, the value found and a remedy, and comes before any work
is done: also the files that the config names are looked for here.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hwprofiles import Target, UnfitFileError, read_whole, shown

from ..errors import ConfigError
from . import values
from .names import Names
from .near import near_match
from .room import lack_of_room
from .run import RunConfig
from .sections import (
    BudgetConfig,
    FinetuneConfig,
    FinetuneSettings,
    ModelConfig,
    RunSettings,
    SearchConfig,
    SpaceConfig,
    TaskConfig,
    is_source,
)

MOST_BYTES = 2**20
"""Size of the largest config file; what a person writes has some kilobytes."""

Readers = Mapping[str, Callable[[object], Any]]

_SETTINGS: Readers = {
    "lr": values.number,
    "optimizer": values.text,
    "weight_decay": values.number,
    "warmup": values.number,
    "distillation": values.number,
    "temperature": values.number,
    "clip": values.number,
    "ema": values.number,
    "autocast": values.boolean,
    "channels_last": values.boolean,
}

SECTIONS: Mapping[str, Readers] = {
    "model": {"source": values.text, "weights": values.text, "input": values.shapes},
    "task": {
        "kind": values.text,
        "train": values.text,
        "val": values.text,
        "mean": values.numbers,
        "std": values.numbers,
        "classes": values.integer,
        "image_column": values.text,
        "label_column": values.text,
        "train_limit": values.integer,
        "val_limit": values.integer,
        "augment": values.boolean,
        "resize": values.boolean,
    },
    "target": {
        "runtime": values.text,
        "device": values.text,
        "precision": values.text,
        "batch": values.integer,
        "threads": values.integer,
        "options": values.options,
    },
    "budget": {"latency": values.quantity},
    "space": {"keep": values.texts, "only": values.texts, "least": values.widths},
    "search": {
        "trials": values.integer,
        "sampler": values.text,
        "calibration": values.integer,
        "time_limit": values.seconds,
        "table_networks": values.integer,
    },
    "finetune": {"epochs": values.number, "minutes": values.number, "batch_size": values.integer, **_SETTINGS},
    "run": {"seed": values.integer, "out": values.text, "proofs": values.boolean},
}
"""Section -> key -> how its value is read. A key that is not here is an error."""

REQUIRED = {
    "model": {"source": '"net.py:make_net"', "input": "[3, 224, 224]"},
    "task": {"kind": '"classification"'},
    "target": {"runtime": '"onnxruntime"'},
    "budget": {"latency": '"50 %"'},
}
"""Section -> key -> an example that the message about its absence shows."""


def load_config(path: Path | str, names: Names) -> RunConfig:
    """Read a config file and check everything about it that can be checked without running anything.

    Args:
        path: The TOML file. Names in it are relative to its folder.
        names: What there is to choose from.

    Raises:
        ConfigError: The file, a section, a key or a value is missing, unknown or not legal, or a file that the
            config names does not exist.
    """
    path = Path(path)
    table = _parse(path)
    _check_sections(path, table)
    read = {name: _read_section(path, name, table.get(name, {})) for name in SECTIONS}
    for section, sentence in names.complaints(read):
        raise ConfigError(f"{path}: [{section}]: {sentence}")
    config = _build(path, read)
    _check_files(path, config)
    _check_room(path, config)
    return config


def _parse(path: Path) -> dict[str, Any]:
    try:
        # A config may be a link: it is the user who names it.
        return tomllib.loads(read_whole(os.path.realpath(path), MOST_BYTES).decode())
    except FileNotFoundError as exc:
        raise ConfigError(f"There is no config file {path}: `lathe init` writes an example.") from exc
    except (OSError, UnicodeDecodeError, UnfitFileError) as exc:
        told = f"it is no UTF-8 text: {exc}" if isinstance(exc, UnicodeDecodeError) else str(exc)
        raise ConfigError(f"The config file {path} cannot be read ({told}): `lathe init` writes one.") from exc
    except RecursionError as exc:
        raise ConfigError(
            f"{path}: a config is a table of sections, each a table of keys, but this file is nested so deep that it "
            "cannot be read: write one like that of `lathe init`."
        ) from exc
    # Not only TOMLDecodeError: Python itself refuses whole numbers of over 4,300 digits.
    except ValueError as exc:
        raise ConfigError(f"{path}: this is not TOML: {exc}. Texts stand in quotes, lists in [brackets].") from exc


def _check_sections(path: Path, table: Mapping[str, Any]) -> None:
    for name, value in table.items():
        if name not in SECTIONS:
            known = ", ".join(f"[{section}]" for section in SECTIONS)
            near = near_match(name, SECTIONS)
            raise ConfigError(f"{path}: a config has the sections {known}, but this one has [{_bare(name)}].{near}")
        if name == "target" and isinstance(value, list):
            if len(value) != 1:
                raise ConfigError(
                    f"{path}: [[target]]: several targets in one run: not yet, but there are {len(value)}; write one "
                    "config for each."
                )
            value = value[0]
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: `{name}` is a section, but got {shown(value)}: write [{name}] above its keys.")
    for name, keys in REQUIRED.items():
        if name not in table:
            example = ", ".join(f"{key} = {value}" for key, value in keys.items())
            raise ConfigError(f"{path}: the section [{name}] is missing: add it, with {example}.")


def _bare(name: str) -> str:
    """Write a name without quotes, unless it is long or holds what a terminal must not be sent."""
    return name if len(name) < 50 and name.isprintable() else shown(name)


def _read_section(path: Path, name: str, table: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    given = table[0] if isinstance(table, list) else table
    readers = SECTIONS[name]
    for key in given:
        if key not in readers:
            near = near_match(key, readers) or f" Known are: {', '.join(readers)}."
            raise ConfigError(f"{path}: [{name}] has no key {shown(key)}.{near}")
    for key, example in REQUIRED.get(name, {}).items():
        if key not in given:
            raise ConfigError(f"{path}: [{name}] {key} is missing: add it, such as {key} = {example}.")
    read = {}
    for key, value in given.items():
        try:
            read[key] = readers[key](value)
        except ValueError as exc:
            raise ConfigError(f"{path}: [{name}] {key}: {exc}") from exc
    return read


def _build(path: Path, read: dict[str, dict[str, Any]]) -> RunConfig:
    folder = path.resolve().parent
    finetune, search, run = read["finetune"], read["search"], read["run"]
    settings = {key: finetune.pop(key) for key in _SETTINGS if key in finetune}
    if "time_limit" in search:
        search["time_limit_s"] = search.pop("time_limit")
    inputs = read["model"].pop("input")
    run["out"] = folder / run.get("out", f"runs/{path.stem}")
    sections: dict[str, Callable[[], Any]] = {
        "model": lambda: ModelConfig(inputs=inputs, folder=folder, **read["model"]),
        "task": lambda: TaskConfig(folder=folder, **read["task"]),
        "target": lambda: (Target(**read["target"]),),
        "budget": lambda: BudgetConfig(**read["budget"]),
        "space": lambda: SpaceConfig(**read["space"]),
        "search": lambda: SearchConfig(**search),
        "finetune": lambda: FinetuneConfig(settings=FinetuneSettings(**settings), **finetune),
        "run": lambda: RunSettings(**run),
    }
    built = {}
    for name, make in sections.items():
        try:
            built[name] = make()
        except ValueError as exc:
            raise ConfigError(f"{path}: [{name}]: {exc}") from exc
    try:
        return RunConfig(targets=built.pop("target"), **built)
    except ValueError as exc:
        raise ConfigError(f"{path}: [model] and [task] do not fit: {exc}") from exc


def _check_files(path: Path, config: RunConfig) -> None:
    named = {
        ("model", "source"): config.model.source,
        ("model", "weights"): config.model.weights,
        ("task", "kind"): config.task.kind,
        ("task", "train"): config.task.train,
        ("task", "val"): config.task.val,
    }
    for (section, key), value in named.items():
        if value is None:
            continue
        place = value.rpartition(":")[0] if is_source(value) or key == "source" else value
        is_name = key in ("source", "kind") or is_source(value)
        if is_name and not place.endswith(".py"):
            continue
        complaint = _missing(config.model.folder / place, may_be_folder=key in ("train", "val") and not is_name)
        if complaint is not None:
            raise ConfigError(f"{path}: [{section}] {key}: {complaint}")


def _missing(file: Path, *, may_be_folder: bool) -> str | None:
    try:
        is_folder = stat.S_ISDIR(file.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return f"the file {file} does not exist; names are relative to the config file's folder."
    except OSError as exc:
        return f"{_bare(str(file))} cannot be looked at ({exc.strerror}): name another, or open the folders to it."
    if is_folder and not may_be_folder:
        return f"a file is needed, but {file} is a folder: name a file in it."
    return None


def _check_room(path: Path, config: RunConfig) -> None:
    lack = lack_of_room([shape for _, shape in config.model.inputs], config.target.batch)
    if lack is not None:
        raise ConfigError(
            f"{path}: [model] input and [target] batch: a batch of inputs must fit into memory, but it {lack}: write "
            "the shape of one example without the batch, or a smaller batch."
        )
