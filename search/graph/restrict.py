"""What the user keeps: shell globs on module names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ..config import near_match
from ..errors import ModelError


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


@dataclass(frozen=True, slots=True)
class Restriction:
    """Which parts of a network may be cut, and how far.

    Attributes:
        keep: Globs on module names whose parameters keep their sizes.
        only: Globs on module names; all other modules keep their sizes. Empty: no limit.
        least: Glob on module names -> least width of the dims that are named after a parameter there.
    """

    keep: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    least: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for glob, width in self.least.items():
            if isinstance(width, bool) or not isinstance(width, int) or width < 1:
                raise ValueError(f"A least width is an integer of at least 1, but {glob!r} has {width!r}.")

    def reason(self, path: str) -> str | None:
        """Return why a module keeps its sizes; None where it need not."""
        for glob in self.keep:
            if matches(path, [glob]):
                return f"kept by the user ({glob})"
        if self.only and not matches(path, self.only):
            return f"kept by the user (outside {', '.join(self.only)})"
        return None

    def floor(self, path: str) -> int:
        """Return the least width of a dim that is named after a parameter of a module."""
        return max((width for glob, width in self.least.items() if matches(path, [glob])), default=1)

    def check(self, paths: Collection[str]) -> None:
        """Check that every glob matches a module that has parameters.

        Raises:
            ModelError: One does not.
        """
        for field_, globs in (("keep", self.keep), ("only", self.only), ("least", tuple(self.least))):
            unused = [glob for glob in globs if not any(matches(path, [glob]) for path in paths)]
            if unused:
                near = near_match(unused[0], paths)
                raise ModelError(
                    f"A glob in `{field_}` must match a module that has parameters, but {sorted(unused)} match none."
                    f"{near} Modules with parameters: {sorted(paths)[:20]}."
                )
