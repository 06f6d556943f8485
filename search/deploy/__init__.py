"""From a network to the file that runs on the target, and the proof that it is fast enough."""

from .delivered import Delivered, content_of
from .export import check_export, check_file_size, export, to_onnx
from .exported import computed, exported
from .program import PT2_FILE, write_pt2
from .proving import MEANINGS, FileToProve, prove, require
from .verify import BASELINE, SUBNET, Verdict, Verification, verify

__all__ = [
    "BASELINE",
    "Delivered",
    "FileToProve",
    "MEANINGS",
    "PT2_FILE",
    "SUBNET",
    "Verdict",
    "Verification",
    "check_export",
    "check_file_size",
    "computed",
    "content_of",
    "export",
    "exported",
    "prove",
    "require",
    "to_onnx",
    "verify",
    "write_pt2",
]
