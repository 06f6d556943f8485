"""Six architectures that can be built as small as a cut makes them: the twins that cuts are held against."""

from .families import FULL, SMALL, Family
from .network import Cut, Network, native_twin, randomise

__all__ = ["FULL", "SMALL", "Cut", "Family", "Network", "native_twin", "randomise"]
