"""Read labelled images from a Parquet file or from a folder of class folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ..errors import DataError
from .columns import image_column, label_column
from .decode import MODES, decode_all
from .images import Images
from .labels import class_names_of, read_labels, some

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What is wanted of a file or folder of images.

    Attributes:
        shape: (channels, height, width) of the images; 1 or 3 channels.
        image_column: Column of the encoded images; None finds it.
        label_column: Column of the classes, as whole numbers or texts; None finds it.
        limit: Rows to use, drawn once with a fixed seed, since files are often sorted by class; None is all.
        resize: Scale images of another size instead of refusing them.
        class_names: Names in the order of the labels; None takes them from the folder, or from labels that are texts.
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
        image = image_column(path, file, request.image_column)
        label = label_column(path, file, request.label_column)
        table = file.read(columns=[image, label])
    except (pa.ArrowException, OSError) as exc:
        raise DataError(
            f"{path} does not read as a Parquet file ({exc}): name one with an image and a label column."
        ) from exc
    if table.num_rows == 0:
        raise DataError(f"A task needs at least one image, but {path} holds no rows.")
    # Of all rows: which number a class has must not depend on how many rows are used.
    names = class_names_of(table.column(label), request.class_names)
    picked = request.pick(table.num_rows)
    table = table.take(picked)
    rows = [f"row {row}" for row in picked]
    labels = read_labels(path, label, table.column(label), rows, names)
    pixels = decode_all(_encoded(path, table.column(image), rows), rows, str(path), request.shape, request.resize)
    return Images(pixels, labels, str(path), rows, names, label)


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
            f"Class folders are called like those of the training data ({some(names)}), but {path} also has "
            f"{some(unknown)}: rename or remove them."
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
