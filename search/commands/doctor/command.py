"""The command `lathe doctor`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ...config import build_model, inputs_of
from ...graph import comb, training_only
from ..terminal import answers_only, tell, terminal
from .content import examine
from .latency import look_up
from .show import show


def doctor(
    model: Annotated[str, typer.Argument(help="timm:NAME, package.module:function or file.py:function.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="[name=]3,224,224[:dtype], without the batch; once for each input."),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="Glob on module names that keep their sizes.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Glob on module names; all others are kept.")] = None,
    table: Annotated[Path | None, typer.Option("--table", help="Latency table: shows where the time goes.")] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Safetensors or .pt file with a state dict.")
    ] = None,
    train_export: Annotated[
        bool, typer.Option("--train-export/--no-train-export", help="Compare with an export in training mode.")
    ] = True,
    every: Annotated[bool, typer.Option("--all", help="List every dim and block, not scopes and kinds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> int:
    """Show what can be cut of a network, what cannot and why, and with a table where its time goes."""
    with answers_only():
        network = build_model(model, weights, tell=tell)
        example = inputs_of(inputs or (), model, network)
        blueprint = comb(network, example.args, example.kwargs, keep=keep or (), only=only or ())
        latency = None if table is None else look_up(blueprint, table)
        content = {"model": model, "inputs": example.shapes} | examine(blueprint, latency)
        if train_export:
            content["training_only"] = list(training_only(network, example.args, example.kwargs))
    if as_json:
        print(json.dumps(content, allow_nan=False))  # noqa: T201
    else:
        show(terminal(), content, every=every)
    return 0
