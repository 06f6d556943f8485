"""What has to be done to a network before it can be traced, and which kinds of network cannot be."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from ...config import inner_of, unwrapped
from ...errors import ModelError

_QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.ao.nn.sparse.quantized")
"""Packages of modules whose weights are integers in a form of their own."""

_EMPTY: Any = UninitializedBuffer

_SHOWN = 3
"""Modules that a sentence lists; the rest are counted."""


def ready(model: nn.Module, run: Callable[[nn.Module], Any]) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a network that can be copied and exported, and what was done for that, one sentence each.

    Args:
        model: The user's network; it is not changed.
        run: Runs a network on its example, once.

    Raises:
        ModelError: It is of a kind that cannot be traced, or a lazy module is never run.
    """
    notes: list[str] = []
    plain = unwrapped(model)
    if plain is not model:
        notes.append(f"The network is the {type(plain).__name__} inside {type(model).__name__}, which is left out.")
    for check in (_check_scripted, _check_quantised, _check_meta):
        check(plain)
    types = {tensor.dtype for tensor in plain.parameters() if tensor.is_floating_point()}
    if len(types) == 1 and torch.float32 not in types:
        notes.append(
            f"The network's numbers are {str(types.pop()).removeprefix('torch.')}, and the exported files' are too: "
            "for a runtime that does not compute in that, return the network in float32, `net.float()`."
        )
    if lazy := _lazy(plain):
        plain = _initialised(plain, run)
        notes.append(
            f"The lazy modules {_some(lazy)} were initialised by a run on the example; their weights are random, of "
            "seed 0: load a state dict into the network before, to keep trained ones."
        )
    return plain, tuple(notes)


def copy_of(model: nn.Module, *, light: bool = False) -> nn.Module:
    """Return a copy of a model, without the wrappers of `torch.compile` in it, which cannot be copied.

    Args:
        model: The model.
        light: Whether the copy's parameters are to lie in the model's own memory, which may be too small for many
            copies. What is run on numbers is then the model of nobody else, as it may write to them.

    Raises:
        ModelError: It cannot be copied.
    """
    # A weight that a hook computed before (weight norm, spectral norm) has a history, which cannot be copied; the
    # hook computes it anew. Buffers of lazy modules refuse to be copied.
    lazy = (buffer for buffer in model.buffers() if isinstance(buffer, UninitializedBuffer))
    memo: dict[int, Any] = {id(buffer): _EMPTY(device=buffer.device, dtype=buffer.dtype) for buffer in lazy}
    if light:
        plain = (p for p in model.parameters() if type(p) is nn.Parameter)
        memo |= {id(p): nn.Parameter(p.detach(), p.requires_grad) for p in plain}
    memo |= {id(value): value.detach().clone() for value in _with_history(model)}
    try:
        # Innermost first, so that a wrapper in a wrapped network is known when that is copied.
        for wrapper, inside in reversed(list(_wrappers(model))):
            memo[id(wrapper)] = copy.deepcopy(inside, memo)
        return copy.deepcopy(model, memo)
    except Exception as exc:
        line = (str(exc).strip().splitlines() or [type(exc).__name__])[0].rstrip(".")
        raise ModelError(
            f"A model is copied before it is analysed, but copying {type(model).__name__} failed: "
            f"{type(exc).__name__}: {line}"
        ) from exc


def _with_history(model: nn.Module) -> Iterator[torch.Tensor]:
    """Yield the tensors that modules keep as attributes and that were computed with gradients."""
    seen, pending = set[int](), [vars(module) for module in model.modules()]
    while pending:
        value: Any = pending.pop()
        if isinstance(value, torch.Tensor):
            if not value.is_leaf:
                yield value
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            pending += value.values() if isinstance(value, dict) else value


def _wrappers(model: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    for module in model.modules():
        inside = inner_of(module)
        if inside is not None and not isinstance(module, nn.DataParallel):
            yield module, inside


def _check_scripted(model: nn.Module) -> None:
    found = [name for name, module in model.named_modules() if isinstance(module, torch.jit.ScriptModule)]
    if found:
        # What is scripted as a whole has scripted parts only.
        found = ["all of them"] if "" in found else found
        raise ModelError(
            f"A network is traced from its Python code, but in {type(model).__name__} these modules were compiled by "
            f"torch.jit.script or torch.jit.trace, which leaves none: {_some(found)}. Return the network as it was "
            "before that; a scripted file's weights load into it: net.load_state_dict(torch.jit.load(FILE)."
            "state_dict())."
        )


def _check_quantised(model: nn.Module) -> None:
    found = [name for name, module in model.named_modules() if type(module).__module__.startswith(_QUANTISED)]
    tensors = [*model.named_parameters(), *model.named_buffers()]
    found += [name for name, tensor in tensors if not is_lazy(tensor) and tensor.is_quantized]
    if found:
        raise ModelError(
            f"A network is cut in floating point, but these parts of {type(model).__name__} are quantised already: "
            f"{_some(found)}. Return the network as it was before `convert` or `quantize_dynamic`, cut that, and "
            "quantise the network that is left."
        )


def _check_meta(model: nn.Module) -> None:
    tensors = [*model.named_parameters(), *model.named_buffers()]
    found = [name for name, tensor in tensors if tensor.device.type == "meta"]
    if found:
        raise ModelError(
            f"Which units stay is read off a network's weights, but in {type(model).__name__} these have no numbers, "
            f"as they are on the device 'meta': {_some(found)}. Build the network outside `torch.device(\"meta\")`, or "
            "load its weights with load_state_dict(..., assign=True)."
        )


def _lazy(model: nn.Module) -> list[str]:
    """Return the names of the modules with parameters or buffers that have no shape yet."""
    return [
        name or "itself"
        for name, module in model.named_modules()
        if any(is_lazy(tensor) for tensor in (*module._parameters.values(), *module._buffers.values()))
    ]


def _initialised(model: nn.Module, run: Callable[[nn.Module], Any]) -> nn.Module:
    """Return a copy of a network whose lazy modules have met the example.

    Raises:
        ModelError: It does not run, or leaves some of them out.
    """
    twin = copy_of(model).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        run(twin)
    if left := _lazy(twin):
        raise ModelError(
            f"Lazy modules get their shapes from a run on the example, but {type(model).__name__} runs without "
            f"{_some(left)}: remove them, or give them their sizes."
        )
    return twin.train(model.training)


def _some(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    rest = len(unique) - _SHOWN
    return ", ".join(unique[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
