"""Cut networks from blueprints, and prove the cuts right."""

from .allocation import MOST_RUN_BYTES, run_bytes
from .cut import cut
from .operators import check_storable
from .proofs import (
    Proof,
    compare,
    draw_like,
    everything,
    flat,
    original,
    outputs,
    permutation,
    reloaded,
    silenced,
    trains,
    undecided,
)
from .recalibrate import recalibrate
from .stored import GRAPH_FILE, MODEL_FILE, MOST_GRAPH_BYTES, MOST_WEIGHTS_BYTES, from_bytes, load_subnet, to_bytes
from .structure import take_structure
from .subnet import Subnet

__all__ = [
    "GRAPH_FILE",
    "MODEL_FILE",
    "MOST_GRAPH_BYTES",
    "MOST_RUN_BYTES",
    "MOST_WEIGHTS_BYTES",
    "Proof",
    "Subnet",
    "check_storable",
    "compare",
    "cut",
    "draw_like",
    "everything",
    "flat",
    "from_bytes",
    "load_subnet",
    "original",
    "outputs",
    "permutation",
    "recalibrate",
    "run_bytes",
    "reloaded",
    "silenced",
    "take_structure",
    "to_bytes",
    "trains",
    "undecided",
]
