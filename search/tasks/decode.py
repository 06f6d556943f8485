"""Turn encoded images into arrays of the size that the network takes."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from ..errors import DataError

MODES = {1: "L", 3: "RGB"}
"""Channels -> Pillow's name for such an image."""

_THREADED_FROM = 64 * 64
"""Pixels from which threads pay: Pillow decodes without the interpreter's lock; smaller images mostly wait for it."""

_EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


def decode_all(
    encoded: Sequence[bytes | Path], rows: Sequence[str], origin: str, shape: tuple[int, ...], resize: bool
) -> Tensor:
    """Decode images, several at a time.

    Args:
        encoded: The files, or their content.
        rows: Where each stood, for messages.
        origin: The file or folder, for messages.
        shape: (channels, height, width) of the result; 1 channel is grey, 3 are RGB.
        resize: Scale images of another size; False calls them an error.

    Returns:
        uint8 of shape (n, c, h, w).

    Raises:
        DataError: An image does not decode or has another size; the message names the row.
    """
    pixels = np.empty((len(encoded), *shape), dtype=np.uint8)

    def decode_one(index: int) -> None:
        pixels[index] = _decode(encoded[index], f"{origin}, {rows[index]}", shape, resize)

    if shape[1] * shape[2] < _THREADED_FROM:
        for index in range(len(encoded)):
            decode_one(index)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(decode_one, range(len(encoded))):
                pass
    return torch.from_numpy(pixels)


def _decode(encoded: bytes | Path, where: str, shape: tuple[int, ...], resize: bool) -> npt.NDArray[np.uint8]:
    channels, height, width = shape
    try:
        with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image:
            mode = image.mode
            decoded = image.convert(MODES[channels])
    # Pillow's many readers raise what they like on damaged files.
    except Exception as exc:
        raise DataError(
            f"{where}: the image does not decode ({type(exc).__name__}: {exc}): replace or drop it."
        ) from exc
    if mode not in _EIGHT_BIT:
        raise DataError(f"{where}: images have 8 bits a channel, but this one has Pillow's mode {mode!r}: convert it.")
    if decoded.size != (width, height):
        if not resize:
            raise DataError(
                f"{where}: images have the size of [model] input, {width}x{height}, but this one has "
                f"{decoded.size[0]}x{decoded.size[1]}: set resize = true in [task], or scale the data."
            )
        decoded = decoded.resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(decoded, dtype=np.uint8)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)
