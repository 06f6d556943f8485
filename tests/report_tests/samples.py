"""Sample reports, and what a browser would make of a page."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from search.bundle import Report

ASSETS = Path(__file__).parent / "assets"
VERDICTS = ("infeasible", "met", "missed", "unneeded", "unstable")

Attributes = list[tuple[str, str | None]]


def sample(verdict: str) -> dict[str, Any]:
    """Read the synthetic report of one verdict, of format 1, as it lies in a file."""
    report = json.loads((ASSETS / f"{verdict}.json").read_text(encoding="utf-8"))
    assert isinstance(report, dict)
    return report


def told(verdict: str, **changes: Any) -> Report:
    """Return that report with some keys changed."""
    return Report.from_json({**sample(verdict), **changes})


class Tags(HTMLParser):
    """Collect the elements of a page, and the words that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._silent = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        self.elements.append((tag, dict(attrs)))
        self._silent = tag if tag in ("script", "style", "title") else self._silent

    def handle_endtag(self, tag: str) -> None:
        self._silent = "" if tag == self._silent else self._silent

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)
