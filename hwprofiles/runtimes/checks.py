"""Checks that runtimes share: of what they are asked for, what they are fed and what they compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import ArtefactError
from ..target import Target
from ._base import Arrays, InputSpec


def out_of_reach(who: str, runtime: str, precisions: Mapping[str, Sequence[str]], target: Target) -> str | None:
    """Return one sentence that says why a runtime serves no such target anywhere, or None where it does.

    Args:
        who: The runtime's name in messages.
        runtime: Its name in targets.
        precisions: Device -> the precisions that it serves there.
        target: In question.
    """
    if target.runtime != runtime:
        return f"{who} serves targets of the runtime {runtime} only, but got {target.slug}."
    if target.device not in precisions:
        known = f"device {next(iter(precisions))}" if len(precisions) == 1 else f"devices {' and '.join(precisions)}"
        return f"{who} serves the {known} only, but got {target.device!r}."
    known = ", ".join(precisions[target.device])
    if target.precision not in precisions[target.device]:
        return f"{who} serves {known} on {target.device} only, but got {target.precision!r}."
    return None


def check_feeds(specs: Sequence[InputSpec], feeds: Arrays) -> None:
    """Check that feeds match the inputs of a file.

    Raises:
        ValueError: Names, shapes or types differ.
    """
    names = [spec.name for spec in specs]
    if sorted(feeds) != sorted(names):
        raise ValueError(f"Feeds must be exactly the inputs {names}, but got {sorted(feeds)}.")
    for spec in specs:
        array = feeds[spec.name]
        if array.shape != spec.shape or array.dtype != np.dtype(spec.dtype):
            raise ValueError(
                f"Input {spec.name!r} must be {spec.dtype} of shape {spec.shape}, but got {array.dtype} of shape "
                f"{array.shape}."
            )


def check_finite(outputs: Arrays, precision: str) -> None:
    """Check that what a network computed from ordinary inputs fits its precision.

    Raises:
        ArtefactError: A value is infinite or no number.
    """
    odd = [name for name, array in outputs.items() if not np.isfinite(array).all()]
    if odd:
        limit = " (numbers above 65,504 do not fit)" if precision == "fp16" else ""
        raise ArtefactError(
            f"A network must compute finite numbers in {precision}{limit}, but its output {odd[0]!r} has others: "
            "choose bf16 or fp32 for the target."
        )


def check_open(is_open: bool) -> None:
    """Check that a session was not closed.

    Raises:
        RuntimeError: It was.
    """
    if not is_open:
        raise RuntimeError("A session must be open to be used, but this one was closed.")


def check_profile_runs(runs: int) -> None:
    """Check the number of runs to profile.

    Raises:
        ValueError: It is below 1.
    """
    if runs < 1:
        raise ValueError(f"`runs` must be at least 1, but got {runs}.")
