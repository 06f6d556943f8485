"""The command `lathe report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..bundle import Bundle
from ..report import write_pages
from .options import Json
from .terminal import show_report, terminal


def report(
    bundle: Annotated[Path, typer.Argument(help="Bundle, or the run folder that holds it.")],
    as_json: Json = False,
) -> int:
    """Write a bundle's report pages again, and print its answer."""
    opened = Bundle.open(bundle)
    written = write_pages(opened)
    if as_json:
        print(json.dumps(opened.report.to_json(), allow_nan=False))  # noqa: T201
    else:
        console = terminal()
        show_report(console, opened.report)
        for path in written:
            console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
    return 0
