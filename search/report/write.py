"""Write a bundle's pages."""

from __future__ import annotations

from pathlib import Path

from hwprofiles import write_whole

from ..bundle import Bundle
from ..folder import translated
from .markdown import render_markdown
from .page import render_page

PAGES = {"report.html": render_page, "report.md": render_markdown}
"""File -> what writes it from a report."""


def write_pages(bundle: Bundle) -> list[Path]:
    """Write a bundle's pages from its report.json; return their paths.

    Raises:
        BundleError: The report is not one of a run's.
        RunFolderError: The bundle cannot be written, or the disk is full.
    """
    with bundle.reading():
        pages = {bundle.path / name: render(bundle.report) for name, render in PAGES.items()}
    with translated(bundle.path):
        for path, text in pages.items():
            write_whole(path, text.encode())
    return list(pages)
