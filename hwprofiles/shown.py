"""Write a foreign value into a message: short, on one line, and whatever the value is."""

from __future__ import annotations

import reprlib


class _Shortened(reprlib.Repr):
    """Like `repr`, but bounded in length and depth."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, 120, 120, 40

    def repr_int(self, x: int, level: int) -> str:
        """Return digits, or their number where Python refuses to write that many."""
        if x.bit_length() < 4 * self.maxlong:
            return repr(x)
        return f"<whole number of about {x.bit_length() * 0.30103:.0f} digits>"


_SHORTENED = _Shortened()


def shown(value: object) -> str:
    """Return `repr(value)`, shortened where it is long or deep.

    A message that names a value must not fail for it: `repr` refuses integers of many digits and deep nesting.
    """
    return _SHORTENED.repr(value)


def printable(text: object, most: int = 1000) -> str:
    """Return a text that may be printed: without what a terminal would act on, and cut where it is long."""
    told = str(text)
    told = told if len(told) <= most else f"{told[:most]}..."
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in told)
