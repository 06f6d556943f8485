"""Which column of a Parquet file holds the images, and which the labels: never guessed where there is a choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..config import near_match
from ..errors import DataError

_WANTED = {
    "image": "encoded images (binary, or a struct with `bytes`)",
    "label": "class labels (whole numbers, or texts)",
}


def image_column(path: Path, file: pq.ParquetFile, given: str | None) -> str:
    """Return the column of the images: the one given, the only one that fits, or the one called `image`.

    Raises:
        DataError: There is none, or there are several and none is called so.
    """
    schema = file.schema_arrow
    if given is not None:
        return _given(path, schema, "image", given, _is_image)
    return _only(path, schema, "image", [field.name for field in schema if _is_image(field.type)])


def label_column(path: Path, file: pq.ParquetFile, given: str | None) -> str:
    """Return the column of the labels: the one given, the one called `label`, or the only one that may hold classes.

    Whole numbers may be classes, and texts that repeat; texts that are mostly different are names or captions.

    Raises:
        DataError: There is none, or there are several and none is called so.
    """
    schema = file.schema_arrow
    if given is not None:
        return _given(path, schema, "label", given, _is_label)
    if "label" in schema.names and _is_label(schema.field("label").type):
        return "label"
    numbers = [field.name for field in schema if pa.types.is_integer(_plain(field.type))]
    texts = [field.name for field in schema if is_text(field.type)]
    return _only(path, schema, "label", [*numbers, *_repeating(file, texts)])


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column holds texts, also where each is stored once."""
    plain = _plain(kind)
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with its values in place, where each was stored once."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_image(field.type) for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_label(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(_plain(kind))) or is_text(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _repeating(file: pq.ParquetFile, names: list[str]) -> list[str]:
    """Return the columns in which a value occurs twice in the mean, or more often: what classes do."""
    if not names:
        return []
    table = file.read(columns=names)
    return [name for name in names if 2 * len(pc.unique(plain(table.column(name)))) <= table.num_rows]


def _given(path: Path, schema: pa.Schema, role: str, given: str, fits: Callable[[pa.DataType], bool]) -> str:
    key = f"{role}_column"
    if given not in schema.names:
        near = near_match(given, schema.names)
        raise DataError(f"[task] {key}: {path} has no column {given!r}.{near} It has: {_listed(schema)}.")
    if not fits(schema.field(given).type):
        raise DataError(
            f"[task] {key} holds {_WANTED[role]}, but {given!r} of {path} does not. It has: {_listed(schema)}."
        )
    return given


def _only(path: Path, schema: pa.Schema, role: str, found: list[str]) -> str:
    if len(found) == 1 or role in found:
        return found[0] if len(found) == 1 else role
    many = (
        f"has several columns that may be {_WANTED[role]}: {', '.join(found)}"
        if found
        else f"has no column of {_WANTED[role]}"
    )
    raise DataError(f'{path} {many}; name it in [task], {role}_column = "...". It has: {_listed(schema)}.')


def _listed(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({_short(field.type)})" for field in schema)


def _short(kind: pa.DataType) -> str:
    return "struct" if pa.types.is_struct(kind) else str(kind)
