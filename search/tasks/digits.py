"""The embedded demo data: scikit-learn's handwritten digits.

1797 images of 8x8 pixels in 16 greys (Alpaydin and Kaynak 1998, test part of "Optical Recognition of Handwritten
Digits"), scaled bilinearly to 32x32. A stratified fifth, 360 images, is held out; it is the same on every machine.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from .images import Images

SIDE = 32
CLASSES = 10
HELD_OUT = 360

MEAN = (0.305,)
STD = (0.3235,)
"""Of the training images' pixels, in [0, 1]."""


def read_digits() -> tuple[Images, Images]:
    """Return the training (1437) and the held-out (360) images, (n, 1, 32, 32)."""
    # scikit-learn takes a second to import, and only the demo needs it.
    from sklearn.datasets import load_digits

    small, classes = load_digits(return_X_y=True)
    labels = torch.from_numpy(classes.astype(np.int64))
    greys = torch.from_numpy(small.astype(np.float32)).reshape(-1, 1, 8, 8) * (255 / 16)
    large = functional.interpolate(greys, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    pixels = large.round().to(torch.uint8)
    held_out = _held_out(classes)
    return _part(pixels, labels, ~held_out), _part(pixels, labels, held_out)


def _held_out(classes: np.ndarray) -> np.ndarray:
    """Mark evenly spaced images of each class, as many of each as largest remainders give it.

    No random numbers: their streams may change between library versions.
    """
    counts = np.bincount(classes, minlength=CLASSES)
    shares = counts * HELD_OUT / len(classes)
    taken = shares.astype(int)
    taken[np.argsort(taken - shares, kind="stable")[: HELD_OUT - taken.sum()]] += 1
    mask = np.zeros(len(classes), dtype=bool)
    for label, (count, take) in enumerate(zip(counts, taken, strict=True)):
        spaced = ((np.arange(take) + 0.5) * count / take).astype(int)
        mask[np.flatnonzero(classes == label)[spaced]] = True
    return mask


def _part(pixels: torch.Tensor, labels: torch.Tensor, mask: np.ndarray) -> Images:
    picked = np.flatnonzero(mask)
    names = tuple(str(digit) for digit in range(CLASSES))
    return Images(pixels[picked], labels[picked], "digits", [f"image {index}" for index in picked], names)
