"""The command `lathe run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hwprofiles import format_interval, format_seconds

from ..engine import Plan, load_config, plan
from ..engine import run as run_config
from ..verdicts import VERDICTS
from .answer import answer
from .options import Json
from .terminal import TerminalProgress, answers_only, errors, show_verdict, terminal


def run(
    config: Annotated[Path, typer.Argument(help="Config file; `lathe init` writes an example.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and the least latency in reach.")] = False,
    as_json: Json = False,
) -> int:
    """Profile, search, cut, fine-tune, export, verify, report. Stops and goes on anywhere."""
    settings = load_config(config)
    if dry_run:
        with answers_only(), TerminalProgress(errors()) as progress:
            found = plan(settings, progress=progress)
        return _show_plan(found, as_json)
    with answers_only(), TerminalProgress(errors()) as progress:
        outcome = run_config(settings, progress=progress)
    return answer(outcome, as_json)


def _show_plan(found: Plan, as_json: bool) -> int:
    if as_json:
        print(json.dumps(found.to_json()))  # noqa: T201
    else:
        console = terminal()
        base = found.baseline_s
        console.print(f"target           {found.target}", highlight=False)
        console.print(
            f"unpruned         {format_interval(base.median, base.low, base.high)}", highlight=False, markup=False
        )
        console.print(f"budget           {format_seconds(found.budget_s)}", highlight=False)
        if found.least_s is not None:
            least = found.least_s
            text = format_interval(least.median, least.low, least.high)
            console.print(f"least in reach   {text} (smallest network on offer)", highlight=False, markup=False)
        console.print(
            f"space            {len(found.dims)} widths and {len(found.blocks)} removable blocks, "
            f"about 10^{found.candidates_log10:.0f} networks",
            highlight=False,
        )
        console.print(f"table            {found.networks} networks to time, {found.trials} trials", highlight=False)
        console.print(
            f"time             about {format_seconds(found.timing_s)} of timing; scoring and fine-tuning on top",
            highlight=False,
        )
        for name in found.unknown:
            console.print(f"warning: operator {name} has no rule yet; what it touches is not cut", highlight=False)
        if found.verdict_so_far is not None:
            show_verdict(console, found.verdict_so_far)
    return 0 if found.verdict_so_far is None else VERDICTS[found.verdict_so_far].exit_status
