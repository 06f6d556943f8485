"""One readable name for many dotted names: parts that differ become `*`."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonprefix


def pattern(names: Sequence[str]) -> str:
    """Return what dotted names have in common, such as `blocks.*.attn.qkv.weight:0.1`.

    Parts that differ by a number behind the same word keep the word (`layer*`). Where names have different numbers of
    parts, one `*` stands for all that is between their common beginning and end. It is for reading: other names may
    fit it too.

    Args:
        names: At least one.
    """
    split = [name.split(".") for name in dict.fromkeys(names)]
    if len({len(parts) for parts in split}) == 1:
        return ".".join(_merged(column) for column in zip(*split, strict=True))
    least = min(map(len, split))
    head = _common(split)
    tail = _common([parts[::-1] for parts in split])[: least - len(head)]
    return ".".join([*head, "*", *tail[::-1]])


def _common(split: Sequence[Sequence[str]]) -> list[str]:
    """Return the parts that all begin with."""
    columns = list(zip(*split, strict=False))
    same = next((i for i, column in enumerate(columns) if len(set(column)) > 1), len(columns))
    return [column[0] for column in columns[:same]]


def _merged(column: Sequence[str]) -> str:
    if len(set(column)) == 1:
        return column[0]
    words = [part.partition(":") for part in column]
    after = {colon + rest for _, colon, rest in words}
    stem = commonprefix([word for word, _, _ in words]).rstrip("0123456789")
    numbered = bool(stem) and all(not (rest := word[len(stem) :]) or rest.isdecimal() for word, _, _ in words)
    return (f"{stem}*" if numbered else "*" if len({w for w, _, _ in words}) > 1 else words[0][0]) + (
        after.pop() if len(after) == 1 else ":*"
    )
