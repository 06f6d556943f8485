"""Write a network as one ONNX file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn
from torch.export import ExportedProgram

from hwprofiles import MOST_ONNX_BYTES, ArtefactError, Session, check_onnx, write_whole

from ..errors import ExportError
from ..graph.tracing import drawing, right_states
from ..surgery import Subnet
from .attention import spelled_out
from .exported import PRECISION_TOLERANCES, tolerance_of
from .padding import keep_pads
from .program import flattened, input_names, numbered, program_of, quiet, tensors_of
from .steps import in_steps
from .widened import widen

INPUT_NAMES = "input"
OUTPUT_NAMES = "output"
BATCH = "batch"
"""Name of the size of axis 0 in files that take any."""

_SYMBOL = re.compile(r"[A-Za-z_]\w*")


def export(
    model: nn.Module,
    path: str | Path,
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    batch: int = 1,
    dynamic_batch: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network as one ONNX file, which appears whole or not at all.

    Args:
        model: A subnet, or any module that `torch.export` takes; it is exported in eval mode.
        path: Where the file goes.
        args: Example inputs, a tensor or a tuple; their batch size is the file's. A subnet knows its own.
        kwargs: Example inputs that are given by keyword.
        batch: The file's batch size where `args` is not given.
        dynamic_batch: Whether the file takes any batch size; example inputs then need a batch of at least 2.
        metadata: Key-value pairs for the file's own metadata, such as the normalisation of its input.

    Raises:
        ValueError: There are no example inputs.
        ExportError: The network calls something that ONNX cannot express; the message names it. Or its weights are
            more than one file can hold.
    """
    if args is None and not kwargs:
        if not isinstance(model, Subnet):
            raise ValueError("A module other than a Subnet needs example inputs: pass `args`.")
        # Export takes sizes of 1 for constants.
        args = model.example(max(batch, 2) if dynamic_batch else batch)
    check_file_size(model)
    data = to_onnx(model, args, kwargs, dynamic_batch=dynamic_batch, metadata=metadata).SerializeToString()
    try:
        # What is written has to be what is read.
        check_onnx(data)
    except ArtefactError as exc:
        raise ExportError(f"{type(model).__name__} exports to a file that no runtime is given: {exc}") from exc
    write_whole(path, data)


def check_file_size(model: nn.Module) -> None:
    """Check that one ONNX file can hold a network's weights.

    Raises:
        ExportError: They are too many bytes.
    """
    found = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    if found > MOST_ONNX_BYTES:
        raise ExportError(
            f"An ONNX file holds {MOST_ONNX_BYTES:,} bytes at most, and Lathe delivers networks as such files, but the "
            f"weights of {type(model).__name__} are {found:,} bytes: take a smaller network, or one in half precision."
        )


def to_onnx(
    model: nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_batch: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Return a network as an ONNX model; see `export`.

    A file's inputs and outputs are tensors, in the order in which the network's structures hold them. Where a subnet of
    float32 numbers casts some to a narrower type, as autocast does, the file computes in float32 there.
    """
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    try:
        with quiet(), torch.no_grad(), right_states():
            program, names = _program(model, positional, dict(kwargs or {}), dynamic=dynamic_batch)
            proto = _written(in_steps(spelled_out(program)), names)
    except Exception as exc:
        raise ExportError(
            f"A network must export to ONNX, but {type(model).__name__} does not: {_root_cause(exc)} Replace that "
            "operator, or compute what it computes outside the network."
        ) from exc
    _name_outputs(proto)
    _name_batch(proto)
    keep_pads(proto)
    _strip(proto)
    for key, value in (metadata or {}).items():
        proto.metadata_props.add(key=key, value=value)
    return proto


def _written(program: ExportedProgram, names: list[str]) -> onnx.ModelProto:
    """Let torch write a program.

    Its optimiser at times leaves a node (fused bounds) reading a value that is not there; then it writes without it.
    """
    for optimize in (True, False):
        found = torch.onnx.export(
            program, dynamo=True, external_data=False, verbose=False, input_names=names, optimize=optimize
        )
        proto: onnx.ModelProto = found.model_proto  # type: ignore[union-attr]
        missing = _missing(proto.graph)
        if not missing:
            return proto
    raise ExportError(f"the exporter wrote a file whose nodes read {sorted(missing)[:5]}, which nothing in it makes.")


def _missing(graph: onnx.GraphProto) -> set[str]:
    """Return the values that nodes read and nothing makes before them."""
    known = {"", *(value.name for value in graph.input), *(tensor.name for tensor in graph.initializer)}
    missing: set[str] = set()
    for node in graph.node:
        missing.update(set(node.input) - known)
        known.update(node.output)
    return missing


def _program(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, dynamic: bool
) -> tuple[ExportedProgram, list[str]]:
    """Return what is to be written, and the names of its inputs."""
    if isinstance(model, Subnet):
        names = input_names(model, len(tensors_of(args)))
        return program_of(widen(flattened(model)), tensors_of(args, kwargs), dynamic=dynamic), names
    names = [*numbered(INPUT_NAMES, len(tensors_of(args))), *kwargs]
    return program_of(model, args, kwargs, dynamic=dynamic), names


def _root_cause(exc: BaseException) -> str:
    """Return what the exporter's innermost error says: it names the operator, the outer ones tell of the exporter."""
    while exc.__cause__ is not None:
        exc = exc.__cause__
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return f"{(lines[0] if lines else repr(exc)).rstrip('.')}."


def _name_outputs(proto: onnx.ModelProto) -> None:
    """Call the outputs "output" (several: "output_0" ...)."""
    names = numbered(OUTPUT_NAMES, len(proto.graph.output))
    renamed = dict(zip([o.name for o in proto.graph.output], names, strict=True))
    for node in proto.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for value in proto.graph.output:
        value.name = renamed[value.name]


def _name_batch(proto: onnx.ModelProto) -> None:
    """Call the size of axis 0 "batch" where it may be any, also in sizes that follow from it."""
    sizes = [value.type.tensor_type.shape.dim for value in proto.graph.input]
    symbols = {size[0].dim_param for size in sizes if size and size[0].dim_param}
    for value in [*proto.graph.input, *proto.graph.output, *proto.graph.value_info] if symbols else ():
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = _SYMBOL.sub(lambda m: BATCH if m[0] in symbols else m[0], size.dim_param)


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


def check_export(model: nn.Module, session: Session, inputs: torch.Tensor, precision: str = "fp32") -> float:
    """Compare an exported file with its network on some inputs, and return the largest relative difference.

    Args:
        model: The network, in eval mode, with one input and one output.
        session: The file, loaded on its runtime.
        inputs: Of shape (n, ...); n at least the file's batch.
        precision: That the runtime computes in.

    Raises:
        ExportError: The outputs differ by more than `PRECISION_TOLERANCES` allows.
    """
    tolerance = PRECISION_TOLERANCES[precision]
    if isinstance(model, Subnet):
        tolerance = max(tolerance, tolerance_of(model))
    spec = session.input_specs[0]
    batch = inputs[: spec.shape[0]]
    with torch.no_grad():
        expected = model(batch).float().numpy()
    (got,) = session.outputs({spec.name: batch.numpy()}).values()
    difference = float(np.abs(got - expected).max() / max(float(np.abs(expected).max()), 1e-12))
    # A runtime draws random numbers of its own; then the difference says nothing of the file.
    if not difference <= tolerance and not drawing(model):
        raise ExportError(
            f"An exported file computes what its network computes, within {tolerance:g} of the largest output, "
            f"but the outputs of {type(model).__name__} differ by {difference:.3g}."
        )
    return difference
