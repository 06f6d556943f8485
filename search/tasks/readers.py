"""Read labelled images from a Parquet file or from a folder of class folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ..config import near_match
from ..errors import DataError
from .decode import MODES, decode_all
from .images import Images

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What is wanted of a file or folder of images.

    Attributes:
        shape: (channels, height, width) of the images; 1 or 3 channels.
        image_column: Column of the encoded images; None finds it.
        label_column: Column of the class indices; None finds it.
        limit: Rows to use, drawn once with a fixed seed, since files are often sorted by class; None is all.
        resize: Scale images of another size instead of refusing them.
        class_names: Names in the order of the labels; None takes them from the folder.
    """

    shape: tuple[int, ...]
    image_column: str | None = None
    label_column: str | None = None
    limit: int | None = None
    resize: bool = False
    class_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or self.shape[0] not in MODES:
            raise ValueError(
                f"Images have the shape [1 or 3 channels, height, width], but [model] input is {list(self.shape)}: use "
                '"data.py:make_loader" for other inputs.'
            )

    def pick(self, count: int) -> npt.NDArray[np.int64]:
        """Return the rows to use of `count`, in order."""
        if self.limit is None or self.limit >= count:
            return np.arange(count)
        return np.sort(np.random.default_rng(0).permutation(count)[: self.limit])


def read_images(path: Path, request: ImageRequest) -> Images:
    """Read a Parquet file or a folder of class folders.

    Raises:
        DataError: The path does not exist, holds no image, lacks a column, or a row of it is damaged.
    """
    if path.is_dir():
        return _read_folder(path, request)
    if path.is_file():
        return _read_parquet(path, request)
    raise DataError(
        f"The data {path} do not exist: name a Parquet file, a folder of class folders, or 'data.py:make_loader'."
    )


def _read_parquet(path: Path, request: ImageRequest) -> Images:
    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        image = _column(path, schema, "image", request.image_column, _is_image)
        label = _column(path, schema, "label", request.label_column, _is_label)
        table = file.read(columns=[image, label])
    except (pa.ArrowException, OSError) as exc:
        raise DataError(
            f"{path} does not read as a Parquet file ({exc}): name one with an image and a label column."
        ) from exc
    if table.num_rows == 0:
        raise DataError(f"A task needs at least one image, but {path} holds no rows.")
    picked = request.pick(table.num_rows)
    table = table.take(picked)
    rows = [f"row {row}" for row in picked]
    labels = _labels(path, label, table.column(label), rows)
    pixels = decode_all(_encoded(path, table.column(image), rows), rows, str(path), request.shape, request.resize)
    return Images(pixels, labels, str(path), rows, request.class_names)


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_image(field.type) for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_label(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind))


_WANTED = {"image": "encoded images (binary, or a struct with `bytes`)", "label": "class indices (integers)"}


def _column(path: Path, schema: pa.Schema, role: str, given: str | None, fits: Callable[[pa.DataType], bool]) -> str:
    """Return the column for a role: the one given, the only one that fits, or the one called like the role."""
    exist = ", ".join(f"{field.name} ({_short(field.type)})" for field in schema)
    key = f"{role}_column"
    if given is not None:
        if given not in schema.names:
            near = near_match(given, schema.names)
            raise DataError(f"[task] {key}: {path} has no column {given!r}.{near} It has: {exist}.")
        if not fits(schema.field(given).type):
            raise DataError(f"[task] {key} holds {_WANTED[role]}, but {given!r} of {path} does not. It has: {exist}.")
        return given
    found = [field.name for field in schema if fits(field.type)]
    if len(found) == 1 or role in found:
        return found[0] if len(found) == 1 else role
    many = (
        f"has several columns of {_WANTED[role]}: {', '.join(found)}" if found else f"has no column of {_WANTED[role]}"
    )
    raise DataError(f'{path} {many}; name it in [task], {key} = "...". It has: {exist}.')


def _short(kind: pa.DataType) -> str:
    return "struct" if pa.types.is_struct(kind) else str(kind)


def _labels(path: Path, name: str, column: pa.ChunkedArray, rows: Sequence[str]) -> torch.Tensor:
    missing = np.flatnonzero(column.is_null().to_numpy())
    if len(missing):
        raise DataError(f"{path}, {rows[int(missing[0])]}: {name!r} is empty ({len(missing)} such rows): drop them.")
    labels = column.to_numpy().astype(np.int64)
    negative = np.flatnonzero(labels < 0)
    if len(negative):
        raise DataError(
            f"{path}, {rows[int(negative[0])]}: labels count from 0, but {name!r} is {labels[negative[0]]} "
            f"({len(negative)} such rows): correct or drop these rows."
        )
    return torch.from_numpy(labels)


def _encoded(path: Path, column: pa.ChunkedArray, rows: Sequence[str]) -> list[bytes]:
    encoded = []
    for value, row in zip(column.to_pylist(), rows, strict=True):
        content = value["bytes"] if isinstance(value, dict) else value
        if content is None:
            raise DataError(f"{path}, {row}: the image is empty: embed the encoded files (`bytes`), or drop the row.")
        encoded.append(content)
    return encoded


def _read_folder(path: Path, request: ImageRequest) -> Images:
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        raise DataError(f"A folder of images holds one folder for each class, but {path} holds no folder.")
    names = request.class_names or tuple(folder.name for folder in folders)
    unknown = [folder.name for folder in folders if folder.name not in names]
    if unknown:
        raise DataError(
            f"Class folders are called like those of the training data ({_some(names)}), but {path} also has "
            f"{_some(unknown)}: rename or remove them."
        )
    found = [(file, names.index(folder.name)) for folder in folders for file in _images_in(folder)]
    if not found:
        raise DataError(f"A task needs at least one image, but {path} holds none ({', '.join(sorted(SUFFIXES))}).")
    picked = [found[index] for index in request.pick(len(found))]
    files = [file for file, _ in picked]
    rows = [str(file.relative_to(path)) for file in files]
    pixels = decode_all(files, rows, str(path), request.shape, request.resize)
    return Images(pixels, torch.tensor([label for _, label in picked]), str(path), rows, names)


def _images_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
