"""Build the user's network and load its weights."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..errors import ModelError
from .run import RunConfig
from .sections import ModelConfig
from .source import load_function
from .wrapped import COMPILED, unwrapped

_WRAPPERS = ("module.", f"{COMPILED}.")
"""How names begin in the state dict of a wrapped network."""

_SHOWN = 10
"""Tensors that a message lists; the rest are counted."""


def load_model(config: RunConfig | ModelConfig, seed: int = 0) -> nn.Module:
    """Build the network that a config names and load its weights.

    Args:
        config: A whole config, whose seed counts, or its [model] section alone.
        seed: Seeds the initial weights of a network without a weights file. The caller's random state is kept.

    Raises:
        ModelError: The function is not found, raises or returns something else, or the weights do not fit it.
    """
    section = config.model if isinstance(config, RunConfig) else config
    seed = config.run.seed if isinstance(config, RunConfig) else seed
    return build_model(section.source, section.weights_path, folder=section.folder, seed=seed)


def build_model(source: str, weights: Path | None = None, *, folder: Path = Path(), seed: int = 0) -> nn.Module:
    """Build the network that a source names and load its weights.

    Args:
        source: `file.py:function`, `package.module:function` or `timm:NAME`.
        weights: Safetensors file, or .pt/.pth file that holds a state dict; None keeps what the function returns.
        folder: What a relative name of a file in `source` starts from.
        seed: See `load_model`, as for the errors.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _build(source, folder)
    if weights is not None:
        _load_weights(model, weights)
    return model


def _build(source: str, folder: Path) -> nn.Module:
    if source.startswith("timm:"):
        return _build_timm(source.removeprefix("timm:"))
    model = load_function(source, folder, ModelError)()
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"{source!r} must return a torch.nn.Module, but it returned {_describe(model)}: end the function "
            "with `return` and the network."
        )
    return model


def _build_timm(name: str) -> nn.Module:
    try:
        timm = importlib.import_module("timm")
    # A broken installation fails with whatever its own imports raise, such as a missing torchvision operator.
    except Exception as exc:
        raise ModelError(
            f"'timm:{name}' needs the package timm, but importing it failed ({type(exc).__name__}: {exc}): run "
            "`pip install timm`, or name a function of yours, 'net.py:make_net'."
        ) from exc
    try:
        model: nn.Module = timm.create_model(name, pretrained=False)
    except Exception as exc:
        raise ModelError(
            f"timm cannot make {name!r} ({type(exc).__name__}: {exc}): `timm.list_models()` lists the names it knows."
        ) from exc
    return model


def _load_weights(model: nn.Module, path: Path) -> None:
    state = _read_state(path)
    if not any(name.startswith(_WRAPPERS) for name in state):
        model = unwrapped(model)
    _check_state(model, state, path)
    # Tensors on the device "meta" have no numbers to be written over: the file's take their place.
    model.load_state_dict(state, assign=any(tensor.is_meta for tensor in model.state_dict().values()))


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(
            f"The weights file {path} does not exist: a relative name starts "
            "from the config file's folder, on the command line from the present one."
        )
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ModelError(
            f"The weights file {path} holds no plain state dict that loads without running code ({reason}): write one "
            "with torch.save(model.state_dict(), ...) or safetensors.torch.save_file(...)."
        ) from exc
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        found = f"the keys {', '.join(map(str, list(state)[:_SHOWN]))}" if isinstance(state, dict) else _describe(state)
        raise ModelError(
            f"A weights file holds a state dict, names with tensors, but {path} holds {found}: save the state dict "
            "alone, torch.save(model.state_dict(), ...)."
        )
    return state


def _check_state(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Compare names and shapes before anything is loaded, so that the message can tell all of it."""
    own = model.state_dict()
    complaints = {
        "missing from the file": [name for name in own if name not in state],
        "not in the network": [name for name in state if name not in own],
        "of another shape": [
            f"{name} (file {list(state[name].shape)}, network {list(own[name].shape)})"
            for name in own
            if name in state and _has_shape(own[name]) and own[name].shape != state[name].shape
        ],
        "not a number (NaN)": [
            name for name, value in state.items() if value.is_floating_point() and bool(value.isnan().any())
        ],
    }
    found = [f"{len(names)} {what}: {_listed(names)}" for what, names in complaints.items() if names]
    if found:
        raise ModelError(
            f"The weights in {path} do not fit the network. Tensors {'; '.join(found)}. Name the file that this "
            f"network was saved to{_prefix_hint(own, state)}."
        )


def _has_shape(value: object) -> bool:
    """Tell whether a tensor has a shape; that of a lazy module gets the file's."""
    return isinstance(value, Tensor) and not is_lazy(value)


def _listed(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _prefix_hint(own: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    for prefix in (*_WRAPPERS, "model."):
        if state and all(name.startswith(prefix) and name.removeprefix(prefix) in own for name in state):
            return f"; here it would do to strip {prefix!r} from the file's names"
    return ""


def _describe(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
