"""One readable name for many dotted names: parts that differ become `*`."""

from __future__ import annotations

from collections.abc import Sequence


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
    """Merge the parts of all names at one place; what is behind a colon (an axis) is merged by itself."""
    words, axes = zip(*(part.partition(":")[::2] for part in column), strict=True)
    word, axis = _shared(words), "*" if len(set(axes)) > 1 else axes[0]
    return f"{word}:{axis}" if axis else word


def _shared(words: Sequence[str]) -> str:
    if len(set(words)) == 1:
        return words[0]
    stems = {word.rstrip("0123456789") for word in words}
    return f"{stems.pop()}*" if len(stems) == 1 else "*"
