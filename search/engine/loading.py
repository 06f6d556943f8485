"""From a config to a combed network and its task."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from ..config import RunConfig, load_model
from ..deploy import check_file_size
from ..graph import Blueprint, comb
from ..progress import Progress
from ..surgery import check_storable, cut, everything
from ..tasks import Task, load_task
from .rehearsal import check_inputs, check_trains, rehearse


def analysed(config: RunConfig, progress: Progress) -> tuple[Blueprint, Task]:
    """Load the network and its task, see that they fit, and comb the network; nothing is timed.

    Raises:
        LatheError: What the user can act on; see `search.errors`.
    """
    check_inputs(config)
    model, task = load_model(config, config.run.seed, progress.note), load_task(config, progress.note)
    blueprint = combed(config, model, example_of(config))
    rehearse(config, cut(blueprint, everything(blueprint)), task)
    check_trains(blueprint)
    return blueprint, task


def example_of(config: RunConfig) -> tuple[torch.Tensor, ...]:
    """Return example inputs of the shapes that a config names, a batch of two, with random numbers of a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(2, *shape, generator=generator) for _, shape in config.model.inputs)


def combed(config: RunConfig, model: nn.Module, example: tuple[torch.Tensor, ...]) -> Blueprint:
    """Comb a network within the limits of a config's [space].

    Raises:
        ExportError: It is larger than a file that could be delivered.
        ModelError: It does not export, there is nothing to cut, or it calls an operator that is not stored.
    """
    check_file_size(model)
    space = config.space
    blueprint = comb(model, example, keep=space.keep, only=space.only, least=space.least)
    check_storable(blueprint.trace.module.graph.nodes)
    return blueprint


def weights_digest(blueprint: Blueprint) -> str:
    """Return a short hash of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(blueprint.trace.module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
