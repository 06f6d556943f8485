"""Pooling and resizing: one network for each spelling."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F

from ._base import Case, frame

SPACE = {1: (4,), 2: (4, 5), 3: (4, 3, 5)}


def _spatial(name: str, count: int, operator: Callable[..., Any]) -> Case:
    """Pass 3 and 6 through, and freeze all that is space before and after."""
    frozen = {f"p:{i + 2}": f"works along axis {i + 2} of its" for i in range(count)}
    resized = {f"u:{i + 2}": "a spatial axis" for i in range(count)}
    return frame(name, operator, (3, 6, *SPACE[count]), dims={"p:0": 3, "p:1": 6}, frozen=frozen | resized)


def _resized(mode: str, **options: Any) -> Callable[..., Any]:
    return lambda p: F.interpolate(p, scale_factor=2, mode=mode, **options)


PICKED = {"p:0": 3, "p:1": 6}

CASES = [
    *(_spatial(f"max_pool{n}d", n, lambda p, n=n: getattr(F, f"max_pool{n}d")(p, 2, 1)) for n in (1, 2, 3)),
    *(_spatial(f"avg_pool{n}d", n, lambda p, n=n: getattr(F, f"avg_pool{n}d")(p, 2, 1)) for n in (1, 2, 3)),
    *(
        _spatial(f"adaptive_avg_pool{n}d", n, lambda p, n=n: getattr(F, f"adaptive_avg_pool{n}d")(p, 2))
        for n in (1, 2, 3)
    ),
    *(
        _spatial(
            f"adaptive_max_pool{n}d", n, lambda p, n=n: getattr(F, f"adaptive_max_pool{n}d")(p, 2, return_indices=True)
        )
        for n in (1, 2, 3)
    ),
    *(_spatial(f"upsample_nearest{n}d", n, _resized("nearest")) for n in (1, 2, 3)),
    *(_spatial(f"upsample_nearest_exact{n}d", n, _resized("nearest-exact")) for n in (1, 2, 3)),
    _spatial("upsample_linear1d", 1, _resized("linear")),
    _spatial("upsample_bilinear2d", 2, _resized("bilinear")),
    _spatial("upsample_bicubic2d", 2, _resized("bicubic")),
    _spatial("_upsample_bilinear2d_aa", 2, _resized("bilinear", antialias=True)),
    _spatial("_upsample_bicubic2d_aa", 2, _resized("bicubic", antialias=True)),
    _spatial("upsample_trilinear3d", 3, _resized("trilinear")),
    frame("max_pool2d: without a batch", lambda p: F.max_pool2d(p, 2), (6, 4, 4), dims={"p:0": 6}),
    frame("max_pool2d: square", lambda p: F.max_pool2d(p, 2, 1), (3, 3, 4, 4), dims={"p:0": 3, "p:1": 3}),
    frame(
        "adaptive_avg_pool2d: to one", lambda p: F.adaptive_avg_pool2d(p, 1), (3, 6, 4, 4), dims={"p:0": 3, "p:1": 6}
    ),
    *(
        frame(
            f"max_pool{n}d_with_indices",
            lambda p, n=n: getattr(F, f"max_pool{n}d")(p, 2, 1, return_indices=True),
            (3, 6, *SPACE[n]),
            dims=PICKED,
            frozen={"u:2": "a spatial axis", "v:2": "a spatial axis"},
        )
        for n in (1, 2, 3)
    ),
]
