"""Wrappers around a network that change how it runs and not what it computes."""

from __future__ import annotations

from torch import nn

COMPILED = "_orig_mod"
"""Name under which `torch.compile` holds the network that it compiles."""


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network inside `torch.compile`, DataParallel and DistributedDataParallel; any other as it is."""
    while (inside := inner_of(model)) is not None:
        model = inside
    return model


def inner_of(model: nn.Module) -> nn.Module | None:
    """Return what a wrapper holds; None where a module is none."""
    # By its parts and not by its class: the class stands in a part of torch that takes a second to import.
    name = COMPILED if type(model).__name__ == "OptimizedModule" else "module"
    is_parallel = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
    inside = model._modules.get(name) if is_parallel or name == COMPILED else None
    return inside if isinstance(inside, nn.Module) else None
