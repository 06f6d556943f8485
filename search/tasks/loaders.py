"""Examples from a loader of the user's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..config import UserFunction
from ..errors import DataError
from ._base import Batch, Examples
from .seeding import seeded


class LoaderExamples(Examples):
    """Batches of whatever a function of the user's returns: any iterable of (inputs, targets).

    It normalises, shuffles and augments for itself, drawing from torch's, NumPy's or Python's global generators, which
    a training seeds before each epoch. A loader with a generator of its own is not repeated exactly on resume.

    Args:
        function: Returns the loader. Called once, or once for each pass where it returns a one-way iterator.
        shape: Shape of one example without batch, which the batches must have.
    """

    def __init__(self, function: UserFunction, shape: tuple[int, ...]) -> None:
        self._function = function
        self._shape = shape
        self._loader = function()
        if not isinstance(self._loader, Iterable):
            raise DataError(
                f"{function.source!r} must return an iterable of (inputs, targets) batches, such as a DataLoader, but "
                f"it returned a {type(self._loader).__name__}."
            )
        self._steps: int | None = None

    @property
    def steps(self) -> int:
        """Length of the loader; one that does not tell it is run through once."""
        if self._steps is None:
            with self._function.translating():
                length = len(self._loader) if hasattr(self._loader, "__len__") else None
            if length is None:
                length = sum(1 for _ in self.in_order())
            if length < 1:
                raise self._empty()
            self._steps = length
        return self._steps

    @property
    def classes(self) -> int | None:
        """None: a loader does not say."""
        return None

    def shuffled(self, epoch: int, seed: int) -> Iterator[Batch]:
        """Yield the batches of a pass; whether it shuffles is the loader's affair."""
        return self._checked()

    def in_order(self) -> Iterator[Batch]:
        """Yield the batches of a pass."""
        return self._checked()

    def sample(self, count: int) -> Tensor:
        """Return the first `count` inputs of a pass with seeded generators."""
        parts: list[Tensor] = []
        with seeded(0):
            for inputs, _ in self._checked():
                parts.append(inputs)
                if sum(len(part) for part in parts) >= count:
                    break
        return torch.cat(parts)[:count]

    def check_labels(self, classes: int) -> None:
        """Check nothing: labels come batch by batch, and the loss looks at each."""

    def _checked(self) -> Iterator[Batch]:
        batches, index = self._fresh(), 0
        while True:
            with self._function.translating():
                batch = next(batches, None)
            if batch is None:
                break
            yield self._pair(batch, index)
            index += 1
        if index == 0:
            raise self._empty()

    def _fresh(self) -> Iterator[Any]:
        with self._function.translating():
            iterator: Iterator[Any] = iter(self._loader)
            # A generator is spent after one pass, so each pass gets one of its own.
            return iter(self._function()) if iterator is self._loader else iterator

    def _pair(self, batch: Any, index: int) -> Batch:
        where = f"{self._function.source!r}, batch {index},"
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            found = f"{len(batch)} parts" if isinstance(batch, tuple | list) else f"a {type(batch).__name__}"
            raise DataError(f"A batch is a pair (inputs, targets), but {where} gave {found}.")
        inputs, targets = (torch.from_numpy(part) if isinstance(part, np.ndarray) else part for part in batch)
        if not isinstance(inputs, Tensor) or not isinstance(targets, Tensor):
            raise DataError(
                f"Inputs and targets of a batch are tensors or arrays, but {where} gave {type(batch[0]).__name__} and "
                f"{type(batch[1]).__name__}."
            )
        if tuple(inputs.shape[1:]) != self._shape or len(inputs) != len(targets) or len(inputs) == 0:
            raise DataError(
                f"The inputs of a batch have the shape (n, {', '.join(map(str, self._shape))}) of [model] input, with "
                f"a target each, but {where} gave inputs {list(inputs.shape)} and targets {list(targets.shape)}."
            )
        return inputs, targets

    def _empty(self) -> DataError:
        return DataError(f"A loader gives at least one batch, but {self._function.source!r} gave none.")
