"""Texts that come from files, as they may be shown: nothing in them steers a terminal, and nothing fills a screen."""

from __future__ import annotations

import re
import reprlib
import unicodedata

MOST_SHOWN = 200
"""Characters of a value that a message quotes, at most."""

_KEPT = frozenset("\n\t\u200c\u200d")
# Controls (such as escape), formats (such as those that turn the direction of writing), halves of characters, and
# separators of lines that are none on a terminal.
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ORDINARY = re.compile(r"[\n\t\x20-\x7e]*")


def plain(text: str) -> str:
    """Return a text whose control characters are written out as Python would; line ends and tabs stay."""
    if _ORDINARY.fullmatch(text):
        return text
    return "".join(_written(c) if c not in _KEPT and unicodedata.category(c) in _STEERING else c for c in text)


class _Shortened(reprlib.Repr):
    """Like `repr`, but bounded in length and depth."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, most, most, 40

    def repr_int(self, x: int, level: int) -> str:
        """Return digits, or their number where Python refuses to write that many."""
        if x.bit_length() < 4 * self.maxlong:
            return repr(x)
        return f"<whole number of about {x.bit_length() * 0.30103:.0f} digits>"


def shown(value: object, most: int = MOST_SHOWN) -> str:
    """Return a value as a message quotes it: as Python writes it, and cut where it is long or deep.

    A message that names a value must not fail for it: `repr` refuses integers of many digits and deep nesting.

    Args:
        value: Plain data, as JSON holds it.
        most: Characters, at most.
    """
    text = _Shortened(most).repr(value)
    return plain(text if len(text) <= most else f"{text[:most]}...")


def excerpt(text: object, most: int = 3 * MOST_SHOWN) -> str:
    """Return words of a library's about a file, such as an exception, cut where they are long."""
    words = str(text)
    return plain(words if len(words) <= most else f"{words[:most]}...")


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
