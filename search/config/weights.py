"""Load a weights file into a network: nothing that does not fit is loaded, and what is unwrapped is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hwprofiles import shown

from ..errors import ModelError
from .unwrap import named_alike, networks_in
from .wrapped import unwrapped

Tell = Callable[[str], None]
"""What is told to the user in one sentence, such as `Progress.note`."""

_SHOWN = 10
"""Tensors that a message lists; the rest are counted."""

_UNPICKLER = "WeightsUnpickler error:"
"""How the line begins that says what PyTorch did not want to load."""

_ALONE = "save the state dict alone, torch.save(model.state_dict(), ...)"


def load_weights(model: nn.Module, path: Path, tell: Tell) -> None:
    """Load a file into a network.

    Args:
        model: The network; it is changed only where all of the file fits.
        path: Safetensors file, or .pt/.pth file that holds a state dict, alone or in a checkpoint.
        tell: Told what was unwrapped, renamed or rounded.

    Raises:
        ModelError: The file cannot be read without running code, holds several networks or none, or does not fit.
    """
    notes: list[str] = []
    state = _only_network(_read(path), path, notes)
    model = unwrapped(model)
    own: dict[str, object] = dict(model.state_dict())
    state, renamed = named_alike(own, state)
    notes += [f"{path.name}: {renamed}"] if renamed else []
    _check(own, state, path)
    notes += _rounded(own, state, path)
    # Tensors on the device "meta" have no numbers to be written over: the file's take their place.
    empty = any(isinstance(value, Tensor) and value.is_meta for value in own.values())
    try:
        model.load_state_dict(_as_own(own, state) if empty else state, assign=empty)
    # The network may have hooks of its own.
    except Exception as exc:
        raise ModelError(
            f"The weights in {path} have the network's names, shapes and types, but it does not take them "
            f"({_reason(exc)}): name the file that this network was saved to."
        ) from exc
    for note in notes:
        tell(note)


def _read(path: Path) -> object:
    if path.is_dir():
        raise ModelError(f"Weights are read from a file, but {path} is a folder: name the file in it.")
    if not path.is_file():
        raise ModelError(
            f"The weights file {path} does not exist: a relative name starts "
            "from the config file's folder, on the command line from the present one."
        )
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    # A damaged pickle fails with whatever its instructions come to, an arithmetic error as well as a missing key.
    except Exception as exc:
        raise ModelError(
            f"The weights file {path} holds no plain state dict that loads without running code "
            f"({_text_in(path) or _reason(exc)}): write one with torch.save(model.state_dict(), ...) or "
            "safetensors.torch.save_file(...)."
        ) from exc


def _text_in(path: Path) -> str:
    """Say that a file is a text, such as the pointer that Git leaves in place of a large file; else an empty text."""
    try:
        with path.open("rb") as file:
            begin = file.read(80).decode("ascii")
    except (OSError, UnicodeDecodeError):
        return ""
    line = begin.partition("\n")[0].strip()
    return f"it is a text, which begins {line!r}" if line and line.isprintable() else ""


def _reason(exc: Exception) -> str:
    """Return what went wrong on one line, without PyTorch's advice to run the code in the file."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith(_UNPICKLER)), lines[0] if lines else "")
    told = "".join(character for character in told.removeprefix(_UNPICKLER).strip() if character.isprintable())[:200]
    return f"{type(exc).__name__}: {told}" if told else type(exc).__name__


def _only_network(found: object, path: Path, notes: list[str]) -> Mapping[str, Tensor]:
    networks = networks_in(found)
    if not networks:
        raise ModelError(
            f"A weights file holds a state dict, names with tensors, but {path} holds {_described(found)}: {_ALONE}."
        )
    (place, state), *others = networks.items()
    if others:
        places = " and ".join(map(_subscript, networks))
        raise ModelError(
            f"A weights file holds one network, but {path} holds several that differ, under {places}: save the one "
            f'that you mean, such as torch.save(torch.load("{path.name}", weights_only=True){_subscript(place)}, ...).'
        )
    if place:
        notes.append(f"{path.name} is a checkpoint; of it, the weights under {_subscript(place)} are loaded.")
    return state


def _subscript(place: tuple[str, ...]) -> str:
    return "".join(f"[{key!r}]" for key in place)


def _described(found: object) -> str:
    if not isinstance(found, dict):
        return "None" if found is None else f"a {type(found).__name__}"
    odd = [key for key in found if not isinstance(key, str)]
    if odd:
        return f"names that are no texts ({_listed(odd)})"
    wrong = [key for key, value in found.items() if not isinstance(value, Tensor)]
    return f"the keys {_listed(list(found))}, and what is no tensor under {_listed(wrong)}"


def _check(own: Mapping[str, object], state: Mapping[str, Tensor], path: Path) -> None:
    """Compare everything before anything is loaded, so that the message can tell all of it."""
    both = {name: (one, state[name]) for name, one in own.items() if isinstance(one, Tensor) and name in state}
    plain = {name: pair for name, pair in both.items() if _oddity(pair[1]) is None}
    fitting = {name: pair for name, pair in plain.items() if is_lazy(pair[0]) or pair[0].shape == pair[1].shape}
    complaints = {
        "missing from the file": [name for name in own if name not in state],
        "not in the network": [name for name in state if name not in own],
        "that are no plain arrays": [
            f"{name} ({_oddity(pair[1])})" for name, pair in both.items() if name not in plain
        ],
        "of another shape": [
            f"{name} (file {list(pair[1].shape)}, network {list(pair[0].shape)})"
            for name, pair in plain.items()
            if name not in fitting
        ],
        "of another type": [
            f"{name} (file {_type(pair[1])}, network {_type(pair[0])})"
            for name, pair in plain.items()
            if not _convertible(pair[1].dtype, pair[0].dtype)
        ],
        # Only where the shape is the network's: a view can claim any, and looking at it would fill the memory.
        "not a number (NaN)": [name for name, pair in fitting.items() if _has_nan(pair[1])],
    }
    found = [f"{len(names)} {what}: {_listed(names)}" for what, names in complaints.items() if names]
    if found:
        raise ModelError(
            f"The weights in {path} do not fit the network. Tensors {'; '.join(found)}. Name the file that this "
            f"network was saved to{_prefix_hint(own, state)}."
        )


def _oddity(value: Tensor) -> str | None:
    """Say why a tensor of a file is no plain array of numbers, or return None."""
    if value.is_meta:
        return "meta, without values"
    if value.is_nested or value.layout != torch.strided:
        return str(value.layout).removeprefix("torch.") if not value.is_nested else "nested"
    return "quantized" if value.is_quantized else None


def _type(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _convertible(stored: torch.dtype, own: torch.dtype) -> bool:
    """Tell whether values of one type may become those of another: floats of other width, and nothing else."""
    return stored == own or (stored.is_floating_point and own.is_floating_point)


def _has_nan(value: Tensor) -> bool:
    if not (value.is_floating_point() or value.is_complex()):
        return False
    # Types of eight bits have no test of their own.
    value = value.to(torch.float32) if value.is_floating_point() and value.itemsize == 1 else value
    return bool(value.isnan().any())


def _rounded(own: Mapping[str, object], state: Mapping[str, Tensor], path: Path) -> list[str]:
    counts: dict[str, int] = {}
    for name, value in state.items():
        one = own[name]
        if isinstance(one, Tensor) and value.dtype != one.dtype:
            pair = f"{_type(value)}, and become the network's {_type(one)}"
            counts[pair] = counts.get(pair, 0) + 1
    return [f"{path.name}: {count} tensors are stored as {pair}." for pair, count in counts.items()]


def _as_own(own: Mapping[str, object], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors in the network's types."""
    types = {name: value.dtype for name, value in own.items() if isinstance(value, Tensor)}
    return {name: value.to(types.get(name, value.dtype)) for name, value in state.items()}


def _listed(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    text = ", ".join(
        name if isinstance(name, str) and name.isprintable() and len(name) < 200 else shown(name)
        for name in names[:_SHOWN]
    )
    return text + (f" and {rest} more" if rest > 0 else "")


def _prefix_hint(own: Mapping[str, object], state: Mapping[str, Tensor]) -> str:
    """Say under which prefix the file holds all of the network's names, where that is so."""
    first = next(iter(own), "")
    prefixes = [name.removesuffix(first) for name in state if first and name.endswith(f".{first}")]
    fitting = [prefix for prefix in prefixes if all(prefix + name in state for name in own)]
    return f"; here it would do to take the tensors under {fitting[0]!r} and strip that" if fitting else ""
