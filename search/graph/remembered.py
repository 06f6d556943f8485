"""Answers that depend on a blueprint and its structure choices alone are worked out once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import TypeVar
from weakref import WeakKeyDictionary

B = TypeVar("B")
C = TypeVar("C", bound=Hashable)
A = TypeVar("A")

MOST = 128
"""Answers that are kept of one function for one blueprint, the latest: there are too many choices to keep all."""


def remembered(function: Callable[[B, C], A]) -> Callable[[B, C], A]:
    """Let a function of a blueprint and its choices keep its latest answers, for as long as the blueprint lives.

    Answers are shared by all who ask and never changed. None may hold the blueprint, which would then never be freed.
    """
    kept: WeakKeyDictionary[B, OrderedDict[C, A]] = WeakKeyDictionary()
    lock = Lock()

    @wraps(function)
    def answer(blueprint: B, choices: C) -> A:
        with lock:
            known = kept.setdefault(blueprint, OrderedDict())
            if choices in known:
                known.move_to_end(choices)
                return known[choices]
        found = function(blueprint, choices)
        with lock:
            known[choices] = found
            known.move_to_end(choices)
            while len(known) > MOST:
                known.popitem(last=False)
        return found

    return answer
