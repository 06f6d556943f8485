"""What the user keeps: shell globs on module names."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def matches(path: str, globs: Sequence[str]) -> bool:
    """Tell whether a module path, or a module that contains it, matches one of the globs.

    A module covers its children: "head" and "head.*" both match "head.fc".
    """
    parts = path.split(".")
    prefixes = [".".join(parts[: i + 1]) for i in range(len(parts))]
    return any(fnmatchcase(prefix, glob) or glob == f"{prefix}.*" for prefix in prefixes for glob in globs)


def module_of(parameter: str) -> str:
    """Return the path of the module that owns a parameter."""
    return parameter.rpartition(".")[0]
