"""A small network for each use of each operator, by the topics of the rules."""

from . import (
    attention,
    contraction,
    convolution,
    dense,
    factory,
    joining,
    normalisation,
    patches,
    picking,
    pointwise,
    pooling,
    recurrent,
    reduction,
    sampling,
    selection,
    shape,
)
from ._base import Case, Network, frame

CASES = [
    *convolution.CASES,
    *dense.CASES,
    *attention.CASES,
    *normalisation.CASES,
    *pointwise.CASES,
    *pooling.CASES,
    *recurrent.CASES,
    *reduction.CASES,
    *selection.CASES,
    *sampling.CASES,
    *contraction.CASES,
    *shape.CASES,
    *joining.CASES,
    *picking.CASES,
    *patches.CASES,
    *factory.CASES,
]

__all__ = ["CASES", "Case", "Network", "frame"]
