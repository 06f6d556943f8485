"""Render a report as one page that needs nothing but itself."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ..pages import entries, render, verdict_words
from .content import sections
from .outcome import headline, judgement


def render_page(report: Mapping[str, Any]) -> str:
    """Return `report.html` for the object of `report.json`.

    Raises:
        ValueError: The report has another format version or a verdict that is not known.
    """
    word, sentence = verdict_words(report)
    return render(
        (files(__package__) / "page.html").read_text(encoding="utf-8"),
        sections(report),
        verdict=report["verdict"],
        word=word,
        sentence=sentence,
        judgement=judgement(report),
        headline=headline(report),
        target=report.get("target") or "",
        date=report.get("date") or "",
        warnings=[str(warning) for warning in entries(report, "warnings")],
        warnings_title="Warnings",
        data_file="report.json",
    )
