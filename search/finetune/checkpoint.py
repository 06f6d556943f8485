"""One file that a training can go on from, replaced as a whole after each epoch."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from hwprofiles import UnfitFileError, opened_whole, shown, write_whole

from ..errors import RunFolderError

CHECKPOINT_FORMAT = 1
"""Format history: 1 (2026-11): plan, model, optimiser, average, step, epoch, seconds, history."""

MOST_CHECKPOINT_BYTES = 16 * 2**30
"""Size of a checkpoint that is read, at most: weights, their average and two numbers of the optimiser for each."""


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint; a kill at any moment leaves the old file or the new one.

    Args:
        path: The file; its folder is made.
        content: Tensors, numbers, texts, and lists and dicts of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In memory first: where a disk is full, torch's own writer says something else.
    buffer = io.BytesIO()
    torch.save({"format": CHECKPOINT_FORMAT, **content}, buffer)
    write_whole(path, buffer.getbuffer())


def read_checkpoint(path: Path, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the content of a checkpoint, or None where there is none.

    Args:
        path: The file.
        plan: What the training that wants to go on was told; the file's must be equal.

    Raises:
        RunFolderError: The file is damaged, or another training's.
        UnfitFileError: It is a link, no regular file, or too large.
    """
    try:
        with opened_whole(path, MOST_CHECKPOINT_BYTES) as file:
            _check_archive(file)
            content = torch.load(file, map_location="cpu", weights_only=True)
        found, version = dict(content["plan"]), content["format"]
    except FileNotFoundError:
        return None
    except UnfitFileError:
        raise
    # A damaged pickle fails with whatever its instructions come to.
    except Exception as exc:
        raise RunFolderError(
            f"The checkpoint {path} is damaged ({type(exc).__name__}): delete it to start over."
        ) from exc
    if version != CHECKPOINT_FORMAT:
        raise RunFolderError(
            f"This version reads checkpoints of format {CHECKPOINT_FORMAT}, but {path} has {shown(version)}: "
            "delete it to start over."
        )
    differ = [
        f"{key}: {shown(found.get(key))}, now {shown(value)}" for key, value in plan.items() if found.get(key) != value
    ]
    if differ:
        raise RunFolderError(
            f"The checkpoint {path} belongs to another training ({'; '.join(differ)}): delete it to start over, or "
            "name another file."
        )
    result: dict[str, Any] = content
    return result


def _check_archive(file: BinaryIO) -> None:
    """Check that a file is an archive as torch writes it: nothing in it is packed, so that it is as large as it looks.

    Raises:
        BadZipFile: It is not.
    """
    with zipfile.ZipFile(file) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise zipfile.BadZipFile("An entry is packed.")
    file.seek(0)


def digest(state: Mapping[str, Tensor]) -> str:
    """Return a hash of names, types, shapes and values, 16 hexadecimal digits."""
    found = hashlib.sha256()
    for name, value in state.items():
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        # As bytes: NumPy has no bfloat16.
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]
