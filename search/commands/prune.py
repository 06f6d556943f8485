"""`lathe prune`: what the command does, and how its answer looks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hwprofiles import format_percent, format_seconds

from ..config import build_model, inputs_of, near_match
from ..engine import Pruned, PruneSettings
from ..engine import prune as prune_network
from ..errors import ConfigError
from ..graph.restrict import Restriction
from ..importance import CRITERIA
from .terminal import TerminalProgress, answers_only, terminal

SHOWN = 8
"""Reasons that the terminal lists; the rest are counted."""

_PROMISED = ("parameters", "export_s", "analysis_s", "cut_s", "proofs", "frozen", "warnings")


def prune(
    model: Annotated[str, typer.Argument(help="timm:NAME, package.module:function or file.py:function.")],
    ratio: Annotated[float, typer.Option("--ratio", help="Share of the units of each dim to remove, such as 0.5.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the bundle; new or empty.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="[name=]3,224,224[:dtype], without the batch; repeatable."),
    ] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="Safetensors, or a .pt with a state dict.")] = None,
    importance: Annotated[str, typer.Option("--importance", help="What says which units stay.")] = "magnitude",
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="GLOB", help="Modules that keep their sizes; repeatable.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="GLOB", help="Cut nothing but these modules; repeatable.")
    ] = None,
    least: Annotated[
        list[str] | None,
        typer.Option("--least", metavar="GLOB=N", help="Units that each dim of a module keeps; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything random.")] = 0,
    dynamic_batch: Annotated[bool, typer.Option("--dynamic-batch", help="Let the files take any batch.")] = False,
    pt2: Annotated[bool, typer.Option("--pt2", help="Write a .pt2 file too.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the bundle that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> int:
    """Cut every width by the same share, without a search or training, and prove the cut."""
    settings = settings_of(
        ratio,
        importance,
        keep or (),
        only or (),
        least or (),
        seed=seed,
        dynamic_batch=dynamic_batch,
        pt2=pt2,
        force=force,
        told={"source": model, "weights": None if weights is None else weights.name, "input": inputs or []},
    )
    with answers_only(), TerminalProgress(terminal(errors=True)) as progress:
        network = build_model(model, weights, seed=seed, tell=progress.note)
        found = inputs_of(inputs or (), model, network)
        pruned = prune_network(network, found.args, found.kwargs, out, settings, progress)
    return show_pruned(pruned, as_json)


def settings_of(
    ratio: float,
    importance: str,
    keep: Sequence[str],
    only: Sequence[str],
    least: Sequence[str],
    **more: Any,
) -> PruneSettings:
    """Check what the command was told.

    Raises:
        ConfigError: The ratio, the criterion or a least width is not legal.
    """
    if not 0 < ratio < 1:
        raise ConfigError(
            f"`--ratio` is the share of each dim's units to remove, above 0 and below 1, but got {ratio:g}."
        )
    if importance not in CRITERIA:
        raise ConfigError(
            f"`--importance` is one of {', '.join(CRITERIA)}, but got {importance!r}.{near_match(importance, CRITERIA)}"
        )
    restriction = Restriction(tuple(keep), tuple(only), dict(map(_least, least)))
    return PruneSettings(ratio, importance, restriction, **more)


def _least(text: str) -> tuple[str, int]:
    glob, _, width = text.rpartition("=")
    if not glob or not width.isascii() or not width.isdigit() or int(width) < 1:
        raise ConfigError(
            f'`--least` is a glob on module names and a number of units of at least 1, such as "blocks.*=8", but got '
            f"{text!r}."
        )
    return glob, int(width)


def show_pruned(found: Pruned, as_json: bool) -> int:
    """Print the answer and return the exit status: 1 where nothing became narrower."""
    if as_json:
        promised = {key: found.report[key] for key in _PROMISED}
        bundle = None if found.bundle is None else str(found.bundle)
        print(json.dumps(promised | {"bundle": bundle}, allow_nan=False))  # noqa: T201
    elif found.bundle is None:
        _show_uncut(terminal(), found.report)
    else:
        _show_cut(terminal(), found.report, found.bundle)
    return 0 if found.bundle is not None else 1


def _show_uncut(console: Console, report: Mapping[str, Any]) -> None:
    console.print("[bold red]nothing was cut[/]  No dim became narrower, so no bundle was written.", highlight=False)
    kept = [dim for dim in report["dims"] if dim["subnet"] == dim["baseline"]]
    if kept:
        text = f"{len(kept)} dims are free, but the ratio rounds to none of their units: try a larger `--ratio`."
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    _show_frozen(console, report["frozen"])


def _show_cut(console: Console, report: Mapping[str, Any], bundle: Path) -> None:
    before, after = report["parameters"]["baseline"], report["parameters"]["subnet"]
    narrowed = sum(dim["subnet"] < dim["baseline"] for dim in report["dims"])
    dims, fell = "dim" if narrowed == 1 else "dims", format_percent(1 - after / before)
    console.print(f"[bold green]cut[/]  {narrowed} {dims} became narrower; parameters fell by {fell}.", highlight=False)
    for reason, count in Counter(item["reason"] for item in report["whole"]).items():
        text = f"{count} more {'keeps its size' if count == 1 else 'keep their size'}: {reason}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "unpruned", "subnet"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row("parameters", f"{before:,}", f"{after:,}")
    if report["file_bytes"]:
        table.add_row("ONNX bytes", *(f"{report['file_bytes'][name]:,}" for name in ("baseline", "subnet")))
    console.print(table, highlight=False)
    for name, proof in report["proofs"].items():
        console.print(f"proof {name}: {_told(proof)}", highlight=False, markup=False, soft_wrap=True)
    times = ", ".join(f"{what} {format_seconds(report[key])}" for what, key in
                      (("export", "export_s"), ("analysis", "analysis_s"), ("cut", "cut_s")))  # fmt: skip
    console.print(times, highlight=False)
    _show_frozen(console, report["frozen"])
    for warning in report["warnings"]:
        console.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"bundle: {bundle}", highlight=False, markup=False, soft_wrap=True)


def _told(proof: Mapping[str, Any]) -> str:
    note = f" ({proof['note']})" if proof["note"] else ""
    if proof["passed"] is None:
        return f"not applicable{note}"
    return f"passed, differs by {proof['max_abs_diff']:.2g} of at most {proof['tolerance']:.2g}{note}"


def _show_frozen(console: Console, frozen: Sequence[Mapping[str, str]]) -> None:
    reasons = Counter(item["reason"] for item in frozen)
    for reason, count in reasons.most_common(SHOWN):
        console.print(f"kept: {count} x {reason}", highlight=False, markup=False, soft_wrap=True)
    if len(reasons) > SHOWN:
        rest = sum(reasons.values()) - sum(count for _, count in reasons.most_common(SHOWN))
        console.print(f"kept: {rest} for {len(reasons) - SHOWN} other reasons; see `--json`", highlight=False)
