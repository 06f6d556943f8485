from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hwprofiles import Target, parse_quantity
from search.config import BudgetConfig, FinetuneConfig, ModelConfig, RunConfig, SearchConfig, TaskConfig

SHAPE = (3, 8, 8)


def encoded(color: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
    """Return a PNG of one grey level."""
    buffer = io.BytesIO()
    fill = (color,) * 3 if mode == "RGB" else color
    Image.new(mode, size, fill).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(path: Path, images: Sequence[bytes | None], labels: Any, **columns: Any) -> Path:
    """Write a file in the layout of Hugging Face datasets."""
    structs = [None if image is None else {"bytes": image, "path": None} for image in images]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(structs, kind), "label": labels, **columns}), path)
    return path


def run_config(folder: Path, shape: tuple[int, ...] = SHAPE, **task: Any) -> RunConfig:
    """Return a config with a task on data in `folder`."""
    known = {"kind": "classification", "mean": (0.5,), "std": (0.25,), "augment": False}
    if task.get("kind", "classification") != "classification":
        known = {}
    return RunConfig(
        ModelConfig("net.py:make_net", (("input", shape),), folder=folder),
        TaskConfig(**{**known, **task, "folder": folder}),
        (Target("null"),),
        BudgetConfig(parse_quantity("50 %")),
        search=SearchConfig(calibration=5),
        finetune=FinetuneConfig(batch_size=4),
    )


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., Path]:
    """Write `name`.parquet with ten images, image i of colour 20 i and label i % 3."""

    def write(name: str, count: int = 10) -> Path:
        images = [encoded(20 * index) for index in range(count)]
        return write_parquet(tmp_path / f"{name}.parquet", images, pa.array(np.arange(count) % 3))

    return write
