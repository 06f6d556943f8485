"""Build the user's network and load its weights."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import nn

from ..errors import ModelError
from .run import RunConfig
from .sections import ModelConfig
from .source import load_function
from .weights import Tell, load_weights


def tell_nobody(text: str) -> None:
    """Keep what is told to oneself."""


def load_model(config: RunConfig | ModelConfig, seed: int = 0, tell: Tell = tell_nobody) -> nn.Module:
    """Build the network that a config names and load its weights.

    Args:
        config: A whole config, whose seed counts, or its [model] section alone.
        seed: Seeds the initial weights of a network without a weights file. The caller's random state is kept.
        tell: Told in a sentence what of the weights file was unwrapped, renamed or rounded.

    Raises:
        ModelError: The function is not found, raises or returns something else, or the weights do not fit it.
    """
    section = config.model if isinstance(config, RunConfig) else config
    seed = config.run.seed if isinstance(config, RunConfig) else seed
    return build_model(section.source, section.weights_path, folder=section.folder, seed=seed, tell=tell)


def build_model(
    source: str, weights: Path | None = None, *, folder: Path = Path(), seed: int = 0, tell: Tell = tell_nobody
) -> nn.Module:
    """Build the network that a source names and load its weights.

    Args:
        source: `file.py:function`, `package.module:function` or `timm:NAME`.
        weights: Safetensors file, or .pt/.pth file that holds a state dict, alone or in a checkpoint; None keeps what
            the function returns.
        folder: What a relative name of a file in `source` starts from.
        seed: See `load_model`, as for the errors.
        tell: See `load_model`.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _build(source, folder)
    if weights is not None:
        load_weights(model, weights, tell)
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


def _describe(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
