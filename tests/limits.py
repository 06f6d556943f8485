"""Limits within which a test has to come to its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail where a block is still waiting for something after so many seconds."""

    def ring(number: int, frame: FrameType | None) -> None:
        # Nothing that catches errors catches this.
        pytest.fail(f"It was to end within {seconds} s.")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
