"""What an importance criterion is: a score for each unit of each dim.

A criterion is a function `score(blueprint) -> {dim name: scores of shape (outer, size)}`; larger scores are kept
longer.

`outer` is 1 unless the dim is the inside of heads or groups, each of which keeps units of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..graph import Blueprint

Scores = dict[str, npt.NDArray[np.float64]]
Criterion = Callable[[Blueprint], Scores]
