"""From a network to the file that runs on the target, and the proof that it is fast enough."""

from .covering import covering, draw, job, smallest, structure_digest, telling, unseen
from .delivered import Delivered, content_of
from .export import check_export, check_file_size, export, to_onnx
from .exported import computed, exported
from .program import PT2_FILE, write_pt2
from .proving import MEANINGS, FileToProve, prove, require
from .slicing import SLICERS, OnnxSlicer, ProgramSlicer, Slicer
from .sweeping import SweepClass, stairs_of_dims, sweep_classes, sweeps
from .verify import BASELINE, SENTENCES, SUBNET, Verdict, Verification, verify

__all__ = [
    "BASELINE",
    "Delivered",
    "FileToProve",
    "MEANINGS",
    "OnnxSlicer",
    "PT2_FILE",
    "ProgramSlicer",
    "SENTENCES",
    "SLICERS",
    "SUBNET",
    "Slicer",
    "SweepClass",
    "Verdict",
    "Verification",
    "check_export",
    "check_file_size",
    "computed",
    "content_of",
    "covering",
    "draw",
    "export",
    "exported",
    "job",
    "prove",
    "require",
    "smallest",
    "stairs_of_dims",
    "structure_digest",
    "sweep_classes",
    "sweeps",
    "telling",
    "to_onnx",
    "unseen",
    "verify",
    "write_pt2",
]
