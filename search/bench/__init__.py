"""The target's side of a run: which networks are timed, their files, and the table that is made of them."""

from .bench import SAFETY, Bench, in_seconds, is_unneeded, reference_of
from .design import covering, draw, smallest, telling, unseen
from .jobs import job, structure_digest
from .slicing import SLICERS, OnnxSlicer, ProgramSlicer, Slicer
from .sweeping import SweepClass, stairs_of_dims, sweep_classes, sweeps

__all__ = [
    "Bench",
    "OnnxSlicer",
    "ProgramSlicer",
    "SAFETY",
    "SLICERS",
    "Slicer",
    "SweepClass",
    "covering",
    "draw",
    "in_seconds",
    "is_unneeded",
    "job",
    "reference_of",
    "smallest",
    "stairs_of_dims",
    "structure_digest",
    "sweep_classes",
    "sweeps",
    "telling",
    "unseen",
]
