"""Settings of all tests."""

import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import pytest
import torch
from hypothesis import settings

# A busy machine must not fail a property: no deadline for single examples. What a pull request is held against is the
# same every time; `--hypothesis-profile thorough` goes looking for more.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=3000)
settings.load_profile("repeatable")

# Small networks gain nothing from more threads, and tests that run side by side lose much.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _keep_denormals() -> None:
    """Undo what a runtime's session left behind: it makes its thread flush denormals, and Hypothesis draws some."""
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True, scope="session")
def _keep_the_users_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what runtimes compile in a folder of these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATHE_CACHE", str(tmp_path_factory.mktemp("lathe-cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _do_not_wait_for_the_disk() -> Iterator[None]:
    """Leave out what only a loss of power would need: what a killed process wrote is there for the next one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _export_each_structure_once() -> Iterator[None]:
    """Share what slices files for timing among tests: it depends on a network's structure alone, and takes seconds."""
    from search.bench import SLICERS, OnnxSlicer, structure_digest
    from search.graph import Blueprint

    made: dict[tuple[str, int], OnnxSlicer] = {}

    def slicer(blueprint: Blueprint, batch: int) -> OnnxSlicer:
        key = structure_digest(blueprint), batch
        if key not in made:
            made[key] = OnnxSlicer(blueprint, batch)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SLICERS, "onnx", slicer)
        yield


@pytest.fixture(autouse=True, scope="session")
def _read_the_exporters_operators_once() -> Iterator[None]:
    """Share what the exporter knows of operators, which it reads from its sources anew for each file."""
    reading = import_module("torch.onnx._internal.exporter._registration").onnxscript_apis
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "get_torchlib_ops", cache(reading.get_torchlib_ops))
        yield
