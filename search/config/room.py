"""Refuse inputs that this machine's memory cannot hold, before anything tries to make them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hwprofiles import format_bytes, memory_bytes


def lack_of_room(shapes: Iterable[Iterable[int]], batch: int, element_bytes: int = 4) -> str | None:
    """Say how a batch of inputs does not fit into memory, or return None where it does or nobody knows.

    Args:
        shapes: Shape of each input without the batch.
        batch: Examples in a batch.
        element_bytes: Bytes of one element.
    """
    needed, held = batch * element_bytes * sum(math.prod(shape) for shape in shapes), memory_bytes()
    if held is None or needed <= held:
        return None
    return f"takes {format_bytes(needed)} of memory, and this machine has {format_bytes(held)}"
