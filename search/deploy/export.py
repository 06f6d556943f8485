"""Write a network as one ONNX file."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from hwprofiles import Session

from ..errors import ExportError
from ..surgery import Subnet

INPUT_NAMES = "input"
OUTPUT_NAMES = "output"


def export(
    model: nn.Module, path: str | Path, args: Any = None, *, batch: int = 1, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a network as one ONNX file, by way of a temporary file beside it.

    Args:
        model: A subnet, or any module that `torch.export` takes; it is exported in eval mode.
        path: Where the file goes.
        args: Example inputs, a tensor or a tuple; their batch size is the file's. A subnet knows its own.
        batch: The file's batch size where `args` is not given.
        metadata: Key-value pairs for the file's own metadata, such as the normalisation of its input.

    Raises:
        ValueError: There are no example inputs.
        ExportError: The network calls something that ONNX cannot express; the message names it.
    """
    if args is None:
        if not isinstance(model, Subnet):
            raise ValueError("A module other than a Subnet needs example inputs: pass `args`.")
        args = model.example(batch)
    data = to_onnx(model, args, metadata=metadata).SerializeToString()
    target = Path(path)
    temporary = target.with_name(target.name + ".part")
    temporary.write_bytes(data)
    temporary.replace(target)


def to_onnx(model: nn.Module, args: Any, *, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """Return a network as an ONNX model with fixed sizes; see `export`."""
    positional = args if isinstance(args, tuple) else (args,)
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(_clean_copy(model), positional, strict=False)
            written = torch.onnx.export(
                program,
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=_numbered(INPUT_NAMES, len(positional)),
            )
    except Exception as exc:
        raise ExportError(
            f"A network must export to ONNX, but {type(model).__name__} does not: {_root_cause(exc)} Replace that "
            "operator, or compute what it computes outside the network."
        ) from exc
    proto = written.model_proto  # type: ignore[union-attr]
    _name_outputs(proto)
    _strip(proto)
    for key, value in (metadata or {}).items():
        proto.metadata_props.add(key=key, value=value)
    return proto


def _root_cause(exc: BaseException) -> str:
    """Return what the exporter's innermost error says: it names the operator, the outer ones tell of the exporter."""
    while exc.__cause__ is not None:
        exc = exc.__cause__
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return f"{(lines[0] if lines else repr(exc)).rstrip('.')}."


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{i}" for i in range(count)]


def _clean_copy(model: nn.Module) -> nn.Module:
    """Return a copy in eval mode whose graph does not carry the source lines of the user's machine."""
    twin = copy.deepcopy(model).eval()
    if isinstance(twin, Subnet):
        for node in twin.graph.nodes:
            node.meta.pop("stack_trace", None)
            node.meta.pop("from_node", None)
    return twin


def _name_outputs(proto: onnx.ModelProto) -> None:
    """Call the outputs "output" (several: "output_0" ...)."""
    names = _numbered(OUTPUT_NAMES, len(proto.graph.output))
    renamed = dict(zip([o.name for o in proto.graph.output], names, strict=True))
    for node in proto.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for value in proto.graph.output:
        value.name = renamed[value.name]


def _strip(proto: onnx.ModelProto) -> None:
    """Drop the exporter's notes: they hold source paths of the machine that exported, and cost space."""
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    proto.graph.doc_string = proto.doc_string = ""
    for value in [*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output]:
        del value.metadata_props[:]
        value.doc_string = ""
    for tensor in proto.graph.initializer:
        del tensor.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says of optional libraries and of its own deprecations."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


EXPORT_TOLERANCE = 1e-4
"""Largest difference of an exported fp32 file's outputs from torch's, relative to the largest output."""


def check_export(model: nn.Module, session: Session, inputs: torch.Tensor) -> float:
    """Compare an exported file with its network on some inputs, and return the largest relative difference.

    Args:
        model: The network, in eval mode, with one input and one output.
        session: The file, loaded on its runtime.
        inputs: Of shape (n, ...); n at least the file's batch.

    Raises:
        ExportError: The outputs differ by more than `EXPORT_TOLERANCE`.
    """
    spec = session.input_specs[0]
    batch = inputs[: spec.shape[0]]
    with torch.no_grad():
        expected = model(batch).numpy()
    (got,) = session.outputs({spec.name: batch.numpy()}).values()
    difference = float(np.abs(got - expected).max() / max(float(np.abs(expected).max()), 1e-12))
    if not difference <= EXPORT_TOLERANCE:
        raise ExportError(
            f"An exported file computes what its network computes, within {EXPORT_TOLERANCE:g} of the largest output, "
            f"but the outputs of {type(model).__name__} differ by {difference:.3g}."
        )
    return difference
