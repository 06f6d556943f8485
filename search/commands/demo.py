"""The command `lathe demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .answer import answer
from .options import Json, Seed
from .terminal import TerminalProgress, answers_only, errors


def demo(
    out: Annotated[Path, typer.Option("--out", help="Run folder.")] = Path("runs/demo"),
    seed: Seed = 0,
    as_json: Json = False,
) -> int:
    """Do the whole line on real handwritten digits, with a small network that is trained first."""
    from ..demo import run_demo

    with answers_only(), TerminalProgress(errors()) as progress:
        outcome = run_demo(out, seed, progress)
    return answer(outcome, as_json)
