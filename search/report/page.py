"""Render a report as one page that needs nothing but itself."""

from importlib.resources import files

from ..bundle import Report
from ..pages import render
from .content import sections
from .outcome import headline, judgement
from .words import verdict_words


def render_page(report: Report) -> str:
    """Return `report.html`."""
    word, sentence = verdict_words(report)
    return render(
        (files(__package__) / "page.html").read_text(encoding="utf-8"),
        sections(report),
        verdict=report.verdict,
        word=word,
        sentence=sentence,
        judgement=judgement(report),
        headline=headline(report),
        target=report.first.target or "",
        date=report.date or "",
        warnings=report.warnings,
        warnings_title="Warnings",
        data_file="report.json",
    )
