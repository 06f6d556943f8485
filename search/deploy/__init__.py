"""From a network to the file that runs on the target, and the proof that it is fast enough."""

from .covering import REMOVAL, covering, job, smallest, structure_digest
from .export import check_export, export, to_onnx
from .slicing import OnnxSlicer
from .verify import BASELINE, SENTENCES, SUBNET, Verdict, Verification, verify

__all__ = [
    "BASELINE",
    "REMOVAL",
    "SENTENCES",
    "SUBNET",
    "OnnxSlicer",
    "Verdict",
    "Verification",
    "check_export",
    "covering",
    "export",
    "job",
    "smallest",
    "structure_digest",
    "to_onnx",
    "verify",
]
