"""Find the network in a checkpoint, and its tensors' names behind the prefixes that wrappers put before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

HOLDERS = (
    "state_dict",
    "model",
    "model_state_dict",
    "module",
    "net",
    "network",
    "ema",
    "model_ema",
    "ema_model",
    "ema_state_dict",
    "state_dict_ema",
)
"""Keys under which training programs keep a network's state dict; the last ones hold averaged weights."""

WRAPPERS = ("module", "_orig_mod", "model", "net", "network", "ema_model")
"""First parts of names that come from what a network was wrapped in: data parallelism, a compiler, a trainer."""

_COMPILED = "_orig_mod."
_COUNTER = "n_averaged"
"""What `torch.optim.swa_utils.AveragedModel` counts beside the network that it holds."""

_DEPTH = 4
"""Holders inside holders that are looked into."""


def networks_in(found: object) -> dict[tuple[str, ...], Mapping[str, Tensor]]:
    """Return each state dict in what a file holds, by the keys that lead to it; equal ones count once.

    A state dict has texts as names and tensors as values. One by itself has the place ().
    """
    distinct: dict[tuple[str, ...], Mapping[str, Tensor]] = {}
    for place, state in _states(found, ()):
        if not any(_equal(state, other) for other in distinct.values()):
            distinct[place] = state
    return distinct


def _states(found: object, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Tensor]]]:
    if not isinstance(found, dict):
        return
    if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()):
        # An empty one inside a checkpoint is the state of something that is not trained, or was not.
        if found or not place:
            yield place, found
    elif len(place) < _DEPTH:
        for key in HOLDERS:
            yield from _states(found.get(key), (*place, key))


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    if one is other:
        return True
    return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)


def _alike(one: Tensor, other: Tensor) -> bool:
    alike = one.dtype == other.dtype and one.shape == other.shape
    return alike and _is_dense(one) and _is_dense(other) and torch.equal(one, other)


def _is_dense(value: Tensor) -> bool:
    """Tell whether a tensor holds each of its elements; a view may claim more than the file has."""
    odd = value.is_meta or value.is_nested or value.is_quantized or value.layout != torch.strided
    return not odd and value.is_contiguous()


def named_alike(own: Mapping[str, object], state: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], str | None]:
    """Strip prefixes of wrappers where that makes more of a file's names the network's own.

    Args:
        own: The network's names.
        state: The file's.

    Returns:
        The tensors under their new names, and what was stripped in one sentence, or None.
    """
    best, best_count, told = state, len(own.keys() & state.keys()), None
    for renamed, stripped in _namings(state):
        count = len(own.keys() & renamed.keys())
        if count > best_count:
            best, best_count, told = renamed, count, f"the names are taken without {stripped}."
    return best, told


def _namings(state: Mapping[str, Tensor]) -> Iterator[tuple[Mapping[str, Tensor], str]]:
    present, done = state, []
    if any(_COMPILED in name for name in present):
        present = {name.replace(_COMPILED, ""): value for name, value in present.items()}
        done.append(repr(_COMPILED))
        if len(present) < len(state):
            return
        yield present, " and ".join(done)
    while (prefix := _common(present)) is not None:
        counted = _COUNTER in present
        present = {name.removeprefix(prefix): value for name, value in present.items() if name != _COUNTER}
        done.append(f"{prefix!r}" + f", and without {_COUNTER!r}" * counted)
        yield present, " and ".join(done)


def _common(state: Mapping[str, Tensor]) -> str | None:
    names = [name for name in state if name != _COUNTER]
    prefix = f"{names[0].partition('.')[0]}." if names else ""
    is_wrapper = prefix[:-1] in WRAPPERS and all(name.startswith(prefix) and name != prefix for name in names)
    return prefix if is_wrapper else None
