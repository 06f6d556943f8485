"""Exported programs, opened as a user opens them."""

import io
import warnings
from pathlib import Path

import torch
from torch.export import ExportedProgram


def opened(file: Path | io.BytesIO) -> ExportedProgram:
    """Load a program with torch's loader; that of 2.11 says of the bytes it reads that they cannot be written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given buffer is not writable", UserWarning)
        return torch.export.load(file)
