"""Class labels of a Parquet column: whole numbers are indices, texts are names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from ..errors import DataError
from .columns import is_text, plain

_LISTED = 10
"""Names that a message lists; the rest are counted."""


def class_names_of(column: pa.ChunkedArray, known: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the names of the classes in the order of their indices; None where labels are indices themselves.

    Args:
        column: All labels of a file.
        known: Names that the training data have; None takes those in the column, sorted.
    """
    if not is_text(column.type):
        return None
    return known or tuple(sorted(name for name in pc.unique(plain(column)).to_pylist() if name is not None))


def read_labels(
    path: Path, name: str, column: pa.ChunkedArray, rows: Sequence[str], names: tuple[str, ...] | None
) -> torch.Tensor:
    """Return class indices, int64, (n,).

    Args:
        path: The file, for messages.
        name: The column's name, for messages.
        column: The labels that are used.
        rows: Where each stood, for messages.
        names: Names of the classes, where labels are texts.

    Raises:
        DataError: A label is empty, negative, or none of the names.
    """
    missing = np.flatnonzero(column.is_null().to_numpy())
    if len(missing):
        raise DataError(f"{path}, {rows[int(missing[0])]}: {name!r} is empty ({len(missing)} such rows): drop them.")
    if is_text(column.type):
        return _of_texts(path, name, plain(column).to_pylist(), rows, names or ())
    labels = plain(column).to_numpy().astype(np.int64)
    negative = np.flatnonzero(labels < 0)
    if len(negative):
        raise DataError(
            f"{path}, {rows[int(negative[0])]}: labels count from 0, but {name!r} is {labels[negative[0]]} "
            f"({len(negative)} such rows): correct or drop these rows."
        )
    return torch.from_numpy(labels)


def _of_texts(path: Path, name: str, texts: list[str], rows: Sequence[str], names: tuple[str, ...]) -> torch.Tensor:
    index = {text: place for place, text in enumerate(names)}
    unknown = [place for place, text in enumerate(texts) if text not in index]
    if unknown:
        raise DataError(
            f"{path}, {rows[unknown[0]]}: classes are those of the training data ({some(names)}), but {name!r} is "
            f"{texts[unknown[0]]!r} ({len(unknown)} such rows): correct or drop these rows."
        )
    return torch.tensor([index[text] for text in texts], dtype=torch.int64)


def some(names: Sequence[str]) -> str:
    """Return names as a message lists them."""
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
