"""End at a signal, at any moment: one line on standard error, and the exit status 128 + its number.

Importing PyTorch takes seconds, so this module imports nothing else and is at work before it. As long as nothing is
under way, and at a second signal, the process ends at once. In between, `Stopped` unwinds it, so that children are
ended and unfinished files deleted. What Lathe starts ends with it in any case; see `hwprofiles.runtimes.children`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

TOLD = "Stopped. The same command goes on from here."

AGAIN_S = 0.05
"""Seconds after which a signal is sent anew where Python dropped what it raised, in a finaliser for example."""


class Stopped(BaseException):
    """A signal came. It is no KeyboardInterrupt, which the library of the command line would answer by itself.

    Attributes:
        status: What the process is to end with.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by the signal {number}")
        self.number = number
        self.status = 128 + number


def end_at_once() -> None:
    """From now on, let a signal end the process where it stands.

    A signal that the parent chose to ignore, as `nohup` does, stays ignored.
    """
    _answer(_leave)


@contextmanager
def unwinding() -> Iterator[None]:
    """Let the first signal raise `Stopped` meanwhile, and the next one end the process."""

    def stop(number: int, frame: FrameType | None) -> None:
        end_at_once()
        raise Stopped(number)

    def dropped(event: sys.UnraisableHookArgs) -> None:
        if not isinstance(event.exc_value, Stopped):
            before(event)
            return
        _answer(stop)
        again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), event.exc_value.number))
        again.daemon = True
        again.start()

    before, sys.unraisablehook = sys.unraisablehook, dropped
    _answer(stop)
    try:
        yield
    finally:
        end_at_once()
        sys.unraisablehook = before


def tell_stopped() -> None:
    """Say so, once."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _write()


def _answer(handler: object) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)  # type: ignore[arg-type]


def _leave(number: int, frame: FrameType | None) -> None:
    _write()
    os._exit(128 + number)


def _write() -> None:
    try:
        # A terminal shows the key itself, ^C, at the start of the line.
        os.write(2, b"\n" * os.isatty(2) + TOLD.encode() + b"\n")
    except OSError:
        # Nobody is there to read it.
        return
