"""How this program starts Python processes of its own."""

from __future__ import annotations

import os
import signal
import sys

_TIED = """\
import ctypes, os, signal
if hasattr(library := ctypes.CDLL(None), "prctl"):
    library.prctl(1, {signal})
if os.getppid() != {parent}:
    os._exit(1)
"""
"""Run first of all in a child: from then on, the kernel sends it a signal when its parent ends, however that ends."""


def child_environment() -> dict[str, str]:
    """Return the environment of a Python child that is started with -P.

    What the parent can import, the child must be able to import, too, and nothing else: a file of the user's that is
    called like a library must not take its place.
    """
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}


def child_command(module: str, function: str, at_end: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return a command line that calls a function of ours in a child that does not outlive this process.

    The child must be started by a thread that waits for it, since the kernel counts that thread as the parent, and in
    a process group of its own: a terminal sends Ctrl-C to the whole group of the parent, and a child that is still at
    its imports would answer it with a traceback.

    Args:
        module: Absolute name of the module.
        function: A function in it without arguments.
        at_end: What the child is sent when this process ends.
    """
    tied = _TIED.format(signal=int(at_end), parent=os.getpid())
    return [sys.executable, "-P", "-c", f"{tied}from {module} import {function}\n{function}()"]
