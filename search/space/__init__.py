"""What a search may choose, and the predicted latency of each choice."""

from .derive import derive, knobs_of, offered, why_whole
from .knobs import BlockKnob, PieceCells, WidthKnob
from .levels import thinned
from .space import SearchSpace

__all__ = [
    "BlockKnob",
    "SearchSpace",
    "PieceCells",
    "WidthKnob",
    "derive",
    "knobs_of",
    "offered",
    "thinned",
    "why_whole",
]
