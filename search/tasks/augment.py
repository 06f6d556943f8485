"""Shift and mirror a batch of images at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SHIFT = 8
"""The largest shift is this part of the image's side: 4 pixels of 32, the usual padding for CIFAR."""


def augment(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Return images shifted by up to an eighth of their side (black moves in) and mirrored half of the time.

    Args:
        pixels: Images (n, c, h, w) of any type.
        rng: Draws the shifts and mirrorings.
    """
    n, _, height, width = pixels.shape
    pad_y, pad_x = height // SHIFT, width // SHIFT
    top = rng.integers(0, 2 * pad_y + 1, size=(n, 1))
    left = rng.integers(0, 2 * pad_x + 1, size=(n, 1))
    mirrored = rng.random((n, 1)) < 0.5
    across = np.arange(width)[None]
    columns = np.where(mirrored, width - 1 - across, across) + left
    rows = np.arange(height)[None] + top
    padded = functional.pad(pixels, (pad_x, pad_x, pad_y, pad_y)).permute(0, 2, 3, 1)
    picked = padded[
        torch.arange(n)[:, None, None], torch.from_numpy(rows)[:, :, None], torch.from_numpy(columns)[:, None, :]
    ]
    return picked.permute(0, 3, 1, 2)
