"""The stairs of a runtime: widths between which nothing gets faster, and the sweeps that find them.

`sweep` is imported from its own file: it writes to the journal, which stands upon stairs.
"""

from .even import EvenStairs
from .stairs import MOST_LEVELS, Stairs, tread_edges

__all__ = [
    "EvenStairs",
    "MOST_LEVELS",
    "Stairs",
    "tread_edges",
]
