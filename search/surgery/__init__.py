"""Cut networks from blueprints, and prove the cuts right."""

from .cut import cut
from .proofs import Proof, permutation
from .subnet import Subnet

__all__ = ["Proof", "Subnet", "cut", "permutation"]
