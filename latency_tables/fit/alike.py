"""Which cells err alike: the covariance of their corrections, as parts that are summed and never written out in full.

Two cells err alike, with a scale for each, where they have the same operation; the same family; the same family and
near widths; the same operation, width out and near widths in; likewise with in and out exchanged; or are one cell.
All but the last of few groups of cells, so a product with the covariance takes groups one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..keys import PieceKey
from .law import Array

PARTS = ("operation", "family", "near", "same_out", "same_in", "cell", "sampling")
"""Names of the parts, in order; "sampling" is the part of one cell that falls with the number of its samples."""

# Distance in octaves at which two widths' corrections are still alike.
_NEAR_OCTAVES = 1.0

# What a group's cells share, and the sides (0 in, 1 out) on which their widths must be near.
_GROUPS: tuple[tuple[Callable[[PieceKey], Hashable], tuple[int, ...]], ...] = (
    (lambda key: key.operation, ()),
    (lambda key: key.family, ()),
    (lambda key: key.family, (0, 1)),
    (lambda key: (key.operation, key.widths[1]), (0,)),
    (lambda key: (key.operation, key.widths[0]), (1,)),
)

Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Distinct cells, arranged for products with their covariance; made by `Cells.of`.

    Attributes:
        places: Key -> position.
        octaves: Logarithms of both widths to base 2, shape (n, 2).
        per_sample: One over the number of a cell's samples, shape (n,); 0 for none: what was never profiled has no
            error of sampling, but those of its neighbours and of its own.
        groups: What cells share -> their positions, for each part but those of one cell.
    """

    places: Mapping[PieceKey, int]
    octaves: Array
    per_sample: Array
    groups: tuple[Mapping[Hashable, Positions], ...]

    @classmethod
    def of(cls, keys: Sequence[PieceKey], samples: Mapping[PieceKey, int]) -> Cells:
        """Arrange distinct keys, given how often the profile has seen each; absent for none."""
        groups = []
        for shared, _ in _GROUPS:
            found: dict[Hashable, list[int]] = defaultdict(list)
            for place, key in enumerate(keys):
                found[shared(key)].append(place)
            groups.append({label: np.array(places, dtype=np.intp) for label, places in found.items()})
        seen = np.array([samples.get(key, 0) for key in keys], dtype=np.float64)
        return cls(
            {key: place for place, key in enumerate(keys)},
            np.log2(np.array([key.widths for key in keys], dtype=np.float64).reshape(-1, 2)),
            np.divide(1.0, seen, out=np.zeros_like(seen), where=seen > 0),
            tuple(groups),
        )

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.places)

    def times(self, other: Cells, right: Array) -> list[Array]:
        """Multiply the correlations of these cells with others by a matrix.

        Args:
            other: m cells; those of the same family and widths are the same.
            right: Shape (m, k).

        Returns:
            One product of shape (n, k) for each of `PARTS`.
        """
        products = [self._grouped(other, right, i) for i in range(len(_GROUPS))]
        same = [(place, other.places[key]) for key, place in self.places.items() if key in other.places]
        mine, theirs = np.array(same, dtype=np.intp).reshape(-1, 2).T
        one, sampled = np.zeros((2, len(self), right.shape[1]))
        one[mine] = right[theirs]
        sampled[mine] = other.per_sample[theirs, None] * right[theirs]
        return [*products, one, sampled]

    def _grouped(self, other: Cells, right: Array, part: int) -> Array:
        product = np.zeros((len(self), right.shape[1]))
        sides = list(_GROUPS[part][1])
        for label, mine in self.groups[part].items():
            theirs = other.groups[part].get(label)
            if theirs is None:
                continue
            if sides:
                gaps = self.octaves[mine][:, None, sides] - other.octaves[theirs][None, :, sides]
                product[mine] = np.exp(-0.5 / _NEAR_OCTAVES**2 * (gaps**2).sum(axis=-1)) @ right[theirs]
            else:
                product[mine] = right[theirs].sum(axis=0)
        return product
