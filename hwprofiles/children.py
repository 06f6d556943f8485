"""How this program starts Python processes of its own."""

from __future__ import annotations

import os
import sys


def child_environment() -> dict[str, str]:
    """Return the environment of a Python child that is started with -P.

    What the parent can import, the child must be able to import, too, and nothing else: a file of the user's that is
    called like a library must not take its place.
    """
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
