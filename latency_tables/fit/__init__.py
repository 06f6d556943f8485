"""What a table says beyond its rows: the cells and laws that are fitted to it, and how far they can be trusted."""

from .bend import Bend
from .cells import ORIGINS, CellOrigin, Codes
from .law import Array
from .model import Model, fit_model
from .pace import Pace
from .pooled import features
from .shares import attribute
from .validate import HeldOut, cross_validate

__all__ = [
    "Array",
    "Bend",
    "CellOrigin",
    "Codes",
    "HeldOut",
    "Model",
    "ORIGINS",
    "Pace",
    "attribute",
    "cross_validate",
    "features",
    "fit_model",
]
