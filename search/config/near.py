"""Say what a misspelt name was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_COMPARED = 100
"""Characters of the longest name that is compared: no slip of the finger, and comparing it would take long."""


def near_match(name: str, names: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` where one of `names` is close to `name`, else an empty text."""
    if len(name) > _COMPARED:
        return ""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""
