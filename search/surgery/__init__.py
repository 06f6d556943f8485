"""Cut networks from blueprints, and prove the cuts right."""

from .cut import cut
from .proofs import Proof, everything, permutation, reloaded, silenced
from .recalibrate import recalibrate
from .stored import GRAPH_FILE, MODEL_FILE, from_bytes, load_subnet, to_bytes
from .subnet import Subnet

__all__ = [
    "GRAPH_FILE",
    "MODEL_FILE",
    "Proof",
    "Subnet",
    "cut",
    "everything",
    "from_bytes",
    "load_subnet",
    "permutation",
    "recalibrate",
    "reloaded",
    "silenced",
    "to_bytes",
]
