"""Where in the user's own code an exception or a call of the graph comes from."""

from __future__ import annotations

import re
import traceback
from pathlib import Path, PurePath

import torch
from torch import fx

_LIBRARIES = tuple(f"{Path(file).parent}/" for file in (torch.__file__, Path(__file__).parent))
"""Folders of torch and of Lathe: a line in them is not the user's."""

_FRAME = re.compile(r'^ *File "(?P<file>[^"]+)", line (?P<line>\d+), in .*\n(?: {4,}(?P<code>.*))?', re.MULTILINE)


def user_line(exc: BaseException) -> str:
    """Return where in the user's own code an exception came up, as " (at file:line: code)"."""
    frames = [f for f in traceback.extract_tb(exc.__traceback__) if not _is_ours(f.filename)]
    if not frames:
        return ""
    last = frames[-1]
    return f" (at {last.filename}:{last.lineno}: {last.line})"


def source_line(node: fx.Node) -> str | None:
    """Return the user's own line that a call comes from, as "net/block.py:12: `y += x`"; None where it has none.

    The path is cut to its last two parts: reports travel, and a user's folders are nobody else's business.
    """
    frames = [f for f in _FRAME.finditer(node.meta.get("stack_trace") or "") if not _is_ours(f["file"])]
    if not frames:
        return None
    last = frames[-1]
    place = f"{'/'.join(PurePath(last['file']).parts[-2:])}:{last['line']}"
    code = (last["code"] or "").strip()
    return f"{place}: `{code}`" if code else place


def module_path(node: fx.Node) -> str:
    """Return the path of the module whose `forward` makes a call; empty for the model itself."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else ""


def _is_ours(filename: str) -> bool:
    return filename.startswith(("<", *_LIBRARIES))
