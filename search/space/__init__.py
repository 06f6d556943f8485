"""What a search may choose, and the predicted latency of each choice."""

from .knobs import BlockKnob, UnitCells, WidthKnob
from .space import SearchSpace

__all__ = ["BlockKnob", "SearchSpace", "UnitCells", "WidthKnob"]
