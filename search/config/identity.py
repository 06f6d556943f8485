"""Tell whether a run folder was filled by this config, and what differs if not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hwprofiles import shown

from ..errors import RunFolderError
from .run import RunConfig

_SHOWN = 10
"""Differences that a message lists; the rest are counted."""

_ABSENT = object()


def differences(stored: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[str, ...]:
    """List the keys in which two identities differ, with both values: `"search.trials: 100, now 200"`."""
    before, now = dict(_flat(stored)), dict(_flat(current))
    keys = [*before, *(key for key in now if key not in before)]
    return tuple(
        f"{key if key.isprintable() else shown(key)}: {shown(before.get(key, 'absent'))}, now "
        f"{shown(now.get(key, 'absent'))}"
        for key in keys
        if before.get(key, _ABSENT) != now.get(key, _ABSENT)
    )


def check_identity(stored: Mapping[str, Any], config: RunConfig, *, weights: bool = True) -> None:
    """Refuse a run folder that another config has filled.

    Args:
        stored: The identity of the run that filled it.
        config: The run that is to go on there.
        weights: Whether the content of the weights counts; not before there are any.

    Raises:
        RunFolderError: The identities differ; the message lists what differs.
    """
    current = config.identity()
    if not weights:
        stored, current = _without_digest(stored), _without_digest(current)
    found = differences(stored, current)
    if found:
        raise RunFolderError(
            f"A run folder holds one run, but {config.run.out} was filled by another config ({listed(found)}): "
            "name another folder in [run] out, put the config back, or delete the folder."
        )


def listed(found: Sequence[str]) -> str:
    """Write differences into a message: the first ones, and how many there are more."""
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more


def _without_digest(identity: Mapping[str, Any]) -> dict[str, Any]:
    model = identity.get("model")
    if not isinstance(model, Mapping):
        return dict(identity)
    return {**identity, "model": {key: value for key, value in model.items() if key != "weights_sha256"}}


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item
