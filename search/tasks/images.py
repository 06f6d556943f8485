"""Labelled images in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from ._base import Batch, Examples
from .augment import augment


@dataclass(frozen=True, slots=True)
class Images:
    """Decoded images and their classes.

    Attributes:
        pixels: uint8, (n, c, h, w); the whole set stays in this form, a quarter of what floats would take.
        labels: int64, (n,), at least 0.
        origin: The file or folder, for messages.
        rows: Where in `origin` each image stood, for messages.
        class_names: Names in the order of the labels, where the source has names.
        label_column: The column that the labels were read from, where there are columns.
    """

    pixels: Tensor
    labels: Tensor
    origin: str
    rows: Sequence[str]
    class_names: tuple[str, ...] | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4:
            raise ValueError(
                f"`pixels` is uint8 of shape (n, c, h, w), but got {self.pixels.dtype} {self.pixels.shape}."
            )
        if not len(self.pixels) == len(self.labels) == len(self.rows):
            raise ValueError(
                f"Images, labels and rows are equally many, but there are {len(self.pixels)}, {len(self.labels)} and "
                f"{len(self.rows)}."
            )


class ImageExamples(Examples):
    """Images in memory, normalised (and augmented) batch by batch.

    Args:
        images: At least one image.
        mean: Of pixels in [0, 1]; one value, or one for each channel.
        std: The same.
        batch_size: Examples in a batch. A shuffled pass leaves out a last batch that is not full, since batch
            statistics of few examples are poor; the next epoch leaves out others.
        augmented: Whether a shuffled pass shifts and mirrors the images.
    """

    def __init__(
        self, images: Images, mean: Sequence[float], std: Sequence[float], batch_size: int, augmented: bool
    ) -> None:
        if len(images.labels) == 0:
            raise DataError(f"A task needs at least one image, but {images.origin} holds none.")
        self._images = images
        scale = torch.tensor(std, dtype=torch.float64).mul(255).reciprocal()
        self._scale = scale.to(torch.float32).reshape(-1, 1, 1)
        shift = -torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
        self._shift = shift.to(torch.float32).reshape(-1, 1, 1)
        self._batch_size = batch_size
        self._augmented = augmented

    @property
    def steps(self) -> int:
        """Number of full batches, at least one."""
        return max(1, len(self._images.labels) // self._batch_size)

    @property
    def classes(self) -> int | None:
        """Number of named classes; the highest label says nothing, since a subset may lack a class."""
        return None if self._images.class_names is None else len(self._images.class_names)

    def shuffled(self, epoch: int, seed: int) -> Iterator[Batch]:
        """Yield the batches of a training pass."""
        rng = np.random.default_rng([seed, epoch])
        order = torch.from_numpy(rng.permutation(len(self._images.labels)))
        for step in range(self.steps):
            picked = order[step * self._batch_size : (step + 1) * self._batch_size]
            pixels = self._images.pixels[picked]
            yield self._normalised(augment(pixels, rng) if self._augmented else pixels), self._images.labels[picked]

    def in_order(self) -> Iterator[Batch]:
        """Yield all examples in order, not augmented."""
        for start in range(0, len(self._images.labels), self._batch_size):
            part = slice(start, start + self._batch_size)
            yield self._normalised(self._images.pixels[part]), self._images.labels[part]

    def sample(self, count: int) -> Tensor:
        """Return `count` examples drawn with a fixed seed: files are often sorted by class."""
        order = np.random.default_rng(0).permutation(len(self._images.labels))[:count]
        return self._normalised(self._images.pixels[torch.from_numpy(order)])

    def check_labels(self, classes: int) -> None:
        """Raise DataError where a label is not below `classes`, naming the first such row."""
        wrong = (self._images.labels >= classes).nonzero()
        if len(wrong):
            first = int(wrong[0])
            raise DataError(
                f"Labels lie between 0 and {classes - 1} for {classes} classes, but {self._images.origin}, "
                f"{self._images.rows[first]}, has {int(self._images.labels[first])} ({len(wrong)} such rows): correct "
                "the labels or the number of classes."
            )

    def _normalised(self, pixels: Tensor) -> Tensor:
        floats = pixels.to(torch.float32, memory_format=torch.contiguous_format)
        return floats.mul_(self._scale).add_(self._shift)
