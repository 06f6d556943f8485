"""Tell the answer and what it rests on: the bundle, one offline page and a short text."""

from .markdown import render_markdown
from .page import render_page
from .write import PAGES, write_pages

__all__ = [
    "PAGES",
    "render_markdown",
    "render_page",
    "write_pages",
]
