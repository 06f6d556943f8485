"""Build TensorRT engines of ONNX files: strongly typed, with one timing cache for all of a GPU's engines.

The builder chooses kernels by timing them, so that two builds of one network may differ. The cache keeps what it found:
a layer that occurs in a table's networks and in a finalist is given one kernel in both, and later builds are short.
What is used here is the same in the majors 10 and 11.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ArtefactError
from ...files import MOST_JOURNAL_BYTES, read_whole, write_whole
from .._base import InputSpec
from ..inputs import bound_shape
from ..onnx_names import renamed
from .lowered import lowered

_WORKSPACE = 4 << 30
"""Bytes of GPU memory that a kernel may use beside its inputs and outputs, at most."""


def library() -> Any:
    """Return the library's module.

    Raises:
        ImportError: It, or a shared library that it needs, is not installed.
    """
    return importlib.import_module("tensorrt")


class Complaints:
    """What the library said in going about its work."""

    def __init__(self) -> None:
        trt = library()
        said: list[str] = []
        grave = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

        class Log(trt.ILogger):  # type: ignore[misc, name-defined, unused-ignore]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, msg: str) -> None:
                if severity in grave:
                    said.append(msg)

        self._said = said
        self.logger: Any = Log()
        """For the library's objects; they must not outlive it."""

    def error(self, verb: str) -> ArtefactError:
        """Return the gravest of it as an error."""
        said = self._said[-1] if self._said else "it does not say why"
        return ArtefactError(f"TensorRT cannot {verb} the file: {said}")


def build(content: bytes, precision: str, batch: int, cache: Path) -> bytes:
    """Return the engine of a file, as the library writes it.

    Args:
        content: An ONNX file.
        precision: Of a target.
        batch: For inputs whose first axis is symbolic.
        cache: The timing cache; made where it is not there, and added to.

    Raises:
        ArtefactError: The library cannot read or build the file, or the file has another batch.
    """
    trt, complaints = library(), Complaints()
    named = renamed(content)[0]
    builder = trt.Builder(complaints.logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, complaints.logger)
    if not parser.parse(lowered(named, precision) if precision in ("fp16", "bf16") else named):
        raise _unreadable(parser, complaints)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if precision == "tf32":
        config.set_flag(trt.BuilderFlag.TF32)
    else:
        config.clear_flag(trt.BuilderFlag.TF32)
    _fix_batch(builder, network, config, batch)
    _give_cache(config, cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise complaints.error("build")
    write_whole(cache, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def _inputs_of(network: Any, batch: int) -> list[InputSpec]:
    """Return the inputs of a parsed file, batch filled in."""
    specs = []
    for place in range(network.num_inputs):
        tensor = network.get_input(place)
        sizes = [None if size < 0 else int(size) for size in tensor.shape]
        dtype = np.dtype(library().nptype(tensor.dtype)).name
        specs.append(InputSpec(tensor.name, bound_shape(tensor.name, sizes, batch), dtype))
    return specs


def _unreadable(parser: Any, complaints: Complaints) -> ArtefactError:
    errors = [parser.get_error(place) for place in range(parser.num_errors)]
    if not errors:
        return complaints.error("read")
    first = errors[0]
    operator = first.node_operator() or None
    where = f" at operator {operator} ({first.node_name()!r})" if operator else ""
    return ArtefactError(f"TensorRT cannot read the file{where}: {first.desc()}", operator)


def _fix_batch(builder: Any, network: Any, config: Any, batch: int) -> None:
    """Choose the target's batch for symbolic inputs: for this one, and no other, the engine is built."""
    specs = _inputs_of(network, batch)
    symbolic = [place for place in range(network.num_inputs) if -1 in tuple(network.get_input(place).shape)]
    if not symbolic:
        return
    profile = builder.create_optimization_profile()
    for place in symbolic:
        shape = specs[place].shape
        profile.set_shape(specs[place].name, shape, shape, shape)
    config.add_optimization_profile(profile)


def _give_cache(config: Any, path: Path) -> None:
    held = read_whole(path, MOST_JOURNAL_BYTES) if path.exists() else b""
    # A cache of another GPU or version is not taken: then a new one is begun.
    if not held or not config.set_timing_cache(config.create_timing_cache(held), False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
