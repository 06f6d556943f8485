"""How a command ends: its result, and what it raises for the user, become an exit status."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer

from hwprofiles import LatheError, excerpt

from ..errors import is_disk_full
from .terminal import errors

MOST_TOLD = 10_000
"""Characters of an error, at most: more of what a file says would only push the rest off the screen."""

FAILED = 3
INTERRUPTED = 130

_UNFORESEEN = (
    "error: this failure was not foreseen. The last lines above say where it came up: in a file of yours, mend it "
    "there; in one of Lathe's, please report it with the text above. The same command goes on from here."
)

_FULL = (
    "There must be room to write, but the disk is full, perhaps the one of the temporary files: make some, or set "
    "TMPDIR to a folder that has it, then run the same command again."
)

P = ParamSpec("P")


def ending(command: Callable[P, int]) -> Callable[P, None]:
    """Turn a command's result, and what it raises for the user, into an exit status."""

    @wraps(command)
    def ended(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except KeyboardInterrupt:
            errors().print("Stopped. The same command goes on from here.", highlight=False)
            status = INTERRUPTED
        except LatheError as exc:
            errors().print(
                f"error: {excerpt(exc, MOST_TOLD)}", style="red", highlight=False, markup=False, soft_wrap=True
            )
            # The same file would do, once there is room: no wrong use.
            status = FAILED if is_disk_full(exc) else int(getattr(exc, "exit_code", FAILED))
        # Where a user's code says so in a place that nobody thought of, that must not end the command without a word.
        except SystemExit as exc:
            told = f"error: The network, the task or a library of theirs ended the program (SystemExit: {exc})."
            errors().print(told, style="red", highlight=False, markup=False, soft_wrap=True)
            status = FAILED
        # Python would end with 1, which here means that the answer is no.
        except Exception as exc:
            if is_disk_full(exc):
                errors().print(f"error: {_FULL}", style="red", highlight=False, markup=False, soft_wrap=True)
            else:
                errors().print(traceback.format_exc(), highlight=False, markup=False, soft_wrap=True)
                errors().print(_UNFORESEEN, style="red", highlight=False, markup=False, soft_wrap=True)
            status = FAILED
        raise typer.Exit(status)

    return ended
