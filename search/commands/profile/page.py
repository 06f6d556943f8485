"""Render a profile as one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ...pages import render
from .content import FORMAT
from .sections import headline, sections


def render_profile(content: Mapping[str, Any]) -> str:
    """Return `profile.html` for the object of `profile.json`.

    Raises:
        ValueError: The object has another format version.
    """
    if content.get("format") != FORMAT:
        raise ValueError(
            f"A profile must have `format` {FORMAT}, but got {content.get('format')!r}; read it with the version of "
            "Lathe that wrote it."
        )
    return render(
        (files(__package__) / "page.html").read_text(encoding="utf-8"),
        sections(content),
        model=content["model"],
        target=content["target"],
        date=content["date"],
        headline=headline(content),
        warnings=[*content["warnings"], *content["notes"]],
        warnings_title="Notes and warnings",
        data_file="profile.json",
    )
