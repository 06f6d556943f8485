"""What a search may choose, and the predicted latency of each choice."""

from .derive import derive, knobs_of
from .knobs import BlockKnob, UnitCells, WidthKnob
from .levels import thinned, width_levels
from .space import SearchSpace

__all__ = [
    "BlockKnob",
    "SearchSpace",
    "UnitCells",
    "WidthKnob",
    "derive",
    "knobs_of",
    "thinned",
    "width_levels",
]
