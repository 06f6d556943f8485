"""Tell the answer and what it rests on: the bundle, one offline page and a short text."""

from .bundle import Bundle, run
from .markdown import render_markdown
from .page import render_page

__all__ = ["Bundle", "render_markdown", "render_page", "run"]
