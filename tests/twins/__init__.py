"""Six architectures that can be built as small as a cut makes them: the twins that cuts are held against."""

from .families import FULL, SMALL, Family
from .network import HEAD_SIZE, Cut, Network, native_twin, randomise, with_whole_heads

__all__ = [
    "FULL",
    "HEAD_SIZE",
    "SMALL",
    "Cut",
    "Family",
    "Network",
    "native_twin",
    "randomise",
    "with_whole_heads",
]
