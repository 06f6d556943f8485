"""What a session is made from: the content of a program, and inputs of fixed shapes filled at random."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtefactError, UnfitFileError
from ..files import read_whole
from ._base import InputSpec

MOST_PROGRAM_BYTES = 4 * 2**30
"""Size of an exported program that is read, at most."""


def content_of(artefact: bytes | Path, who: str) -> bytes:
    """Return the content of an exported program; for ONNX files see `onnx_content`.

    Raises:
        ArtefactError: It cannot be read; `who` is the runtime's name in the message.
    """
    try:
        return artefact if isinstance(artefact, bytes) else read_whole(artefact.resolve(), MOST_PROGRAM_BYTES)
    except (OSError, UnfitFileError) as error:
        raise ArtefactError(f"{who} cannot read the file: {error}") from error


def bound_shape(name: str, shape: Sequence[int | None], batch: int) -> tuple[int, ...]:
    """Return an input's shape with the batch of the target filled in.

    Args:
        name: Of the input.
        shape: As the file declares it; None for a symbolic size.
        batch: Of the target; the first axis of an input carries it.

    Raises:
        ArtefactError: Another size is symbolic, or the file has another batch fixed.
    """
    if not shape:
        return ()
    sizes = [batch if shape[0] is None else shape[0], *shape[1:]]
    if sizes[0] != batch:
        raise ArtefactError(
            f"A file with a fixed batch must have the batch of the target, but input {name!r} has {sizes[0]} and the "
            f"target {batch}; export it again or choose another target."
        )
    fixed = tuple(size for size in sizes if size is not None)
    if len(fixed) < len(sizes):
        raise ArtefactError(
            f"Only the batch of a file may be symbolic, but input {name!r} has the shape {tuple(shape)} (None is "
            "symbolic); export it with fixed sizes."
        )
    return fixed


def random_inputs(specs: Sequence[InputSpec], rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    """Draw inputs: standard normal floats; integers and booleans 0 or 1, legal indices into almost any table."""
    inputs: dict[str, NDArray[np.generic]] = {}
    for spec in specs:
        dtype = np.dtype(spec.dtype)
        floating = np.issubdtype(dtype, np.floating)
        values = rng.standard_normal(spec.shape) if floating else rng.integers(0, 2, spec.shape)
        inputs[spec.name] = np.asarray(values).astype(dtype)
    return inputs
