"""Tell the answer and what it rests on, as one offline page and as a short text."""

from .markdown import render_markdown
from .page import render_page

__all__ = ["render_markdown", "render_page"]
