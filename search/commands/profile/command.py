"""The command `lathe profile`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hwprofiles import Runtime, Target, get_runtime, parse_quantity
from latency_tables import ForeignTableError, Store

from ...bench import Bench
from ...config import build_model, inputs_of
from ...errors import ConfigError
from ...folder import translated
from ...graph import comb
from ..terminal import TerminalProgress, answers_only, terminal
from .content import describe
from .folder import DATA_FILE, PAGE_FILE, TABLE_FILE, claim, default_folder, identity_of
from .page import render_profile
from .show import show
from .work import NETWORKS, measure


def profile(
    model: Annotated[str, typer.Argument(help="timm:NAME, package.module:function or file.py:function.")],
    target: Annotated[str, typer.Option("--target", help="Slug, such as cpu-onnxruntime-fp32-b1-t1.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="[name=]3,224,224[:dtype], without the batch; repeatable."),
    ] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="Safetensors, or a .pt with a state dict.")] = None,
    time_limit: Annotated[str, typer.Option("--time-limit", help="For export, sweep, timing and fit.")] = "4min",
    networks: Annotated[int, typer.Option("--networks", min=4, help="Networks to time, at most.")] = NETWORKS,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; by default runs/<model>-<target>.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything random.")] = 0,
    allow_foreign: Annotated[
        bool, typer.Option("--allow-foreign", help="Go on with another machine's table; its numbers are marked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> int:
    """Build or extend the latency table of a network on a target, and say how well it predicts."""
    limit_s = seconds_of(time_limit)
    place, runtime = _target(target)
    with answers_only(), TerminalProgress(terminal(errors=True)) as progress:
        progress.stage("analyse", model)
        network = build_model(model, weights, seed=seed, tell=progress.note)
        found = inputs_of(inputs or (), model, network)
        blueprint = comb(network, found.args, found.kwargs)
        path = out or default_folder(model, place.slug)
        with translated(path):
            folder = claim(path, identity_of(model, blueprint, found.shapes, place.slug))
            store = Store(folder.file(TABLE_FILE))
            try:
                began = runtime.clock()
                bench = Bench.open(blueprint, place, store, seed, runtime, progress, allow_foreign=allow_foreign)
                measured = measure(
                    bench,
                    time_limit_s=limit_s,
                    began=began,
                    networks=networks,
                    allow_foreign=allow_foreign,
                    progress=progress,
                )
            except ForeignTableError as exc:
                raise ConfigError(f"{exc} To go on with it here, add `--allow-foreign`.") from exc
            content: dict[str, Any] = describe(measured, model=model, inputs=found.shapes, time_limit_s=limit_s)
            content |= {"table": str(path / TABLE_FILE), "page": str(path / PAGE_FILE)}
            folder.write_json(DATA_FILE, content)
            folder.write(PAGE_FILE, render_profile(content).encode())
    if as_json:
        print(json.dumps(content, allow_nan=False))  # noqa: T201
    else:
        show(terminal(), content)
    return 0


def seconds_of(text: str) -> float:
    """Read a time limit.

    Raises:
        ConfigError: It has no piece or one that could be two, or is no time above zero.
    """
    try:
        found = parse_quantity(text)
    except ValueError as exc:
        # The rule's own remedies are for latencies; limits are minutes.
        raise ConfigError(f"`--time-limit`: {exc} Limits are times such as '4 min' or '90 s'.") from exc
    if found.kind != "time" or found.value <= 0:
        raise ConfigError(f"`--time-limit` is a time above 0, such as '4 min' or '90 s', but got {text!r}.")
    return found.value


def _target(slug: str) -> tuple[Target, Runtime]:
    """Return a target and its runtime, before anything is loaded.

    Raises:
        ConfigError: The slug cannot be read.
        RuntimeUnavailableError: The target cannot be timed here.
    """
    try:
        target = Target.parse(slug)
    except ValueError as exc:
        raise ConfigError(f"`--target`: {exc}") from exc
    runtime = get_runtime(target.runtime)
    runtime.require(target)
    return target, runtime
