"""ONNX files in half precision: the same network with weights and activations of another type, inputs and outputs not.

Runtimes that take a file's types as they stand need it so. No library that does both half types is light enough to be
asked of a user: the converter beside ONNX Runtime knows fp16 only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtefactError

_LARGEST_HALF = 65504.0

_KEPT_INPUTS: Mapping[str, tuple[int, ...]] = {"Resize": (1, 2), "Upsample": (1,)}
"""Operator -> places of inputs that its definition wants in float32."""


def lowered(content: bytes, precision: str) -> bytes:
    """Return a float32 file in fp16 or bf16; integers, booleans and doubles stay, and so does the opset.

    ONNX itself lists bf16 for convolutions from opset 22 on only. Whether TensorRT takes it in files of an older one,
    as Lathe's are, has not been tried on a GPU.

    Args:
        content: An ONNX file without external data.
        precision: "fp16" or "bf16".

    Raises:
        ArtefactError: A weight is too large for fp16, or an operator holds a graph of its own.
    """
    import onnx

    model = onnx.load_from_string(content)
    graph, kind = model.graph, onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.BFLOAT16
    _check_flat(graph)
    kept = {node.input[i] for node in graph.node for i in _KEPT_INPUTS.get(node.op_type, ()) if i < len(node.input)}
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(_half(tensor, kind, tensor.name))
    for node in graph.node:
        if not kept.intersection(node.output):
            _lower_attributes(node, kind)
    _cast_borders(graph, kind)
    del graph.value_info[:]
    return bytes(model.SerializeToString())


def _check_flat(graph: Any) -> None:
    for node in graph.node:
        if any(attribute.HasField("g") for attribute in node.attribute):
            raise ArtefactError(
                f"A file in half precision must be one flat graph, but operator {node.op_type} ({node.name!r}) holds "
                "another: choose fp32 for the target.",
                node.op_type,
            )


def _lower_attributes(node: Any, kind: int) -> None:
    import onnx

    for attribute in node.attribute:
        if attribute.HasField("t") and attribute.t.data_type == onnx.TensorProto.FLOAT:
            attribute.t.CopyFrom(_half(attribute.t, kind, node.output[0]))
        elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
            attribute.i = kind
        elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
            listed = attribute.name == "value_floats"
            values = np.array(attribute.floats if listed else attribute.f, np.float32)
            half = _half(onnx.numpy_helper.from_array(values), kind, node.output[0])
            attribute.CopyFrom(onnx.helper.make_attribute("value", half))


def _half(tensor: Any, kind: int, name: str) -> Any:
    """Return a tensor of the type `kind`.

    Raises:
        ArtefactError: A finite number becomes infinite.
    """
    import onnx

    values: NDArray[Any] = onnx.numpy_helper.to_array(tensor)
    finite = np.abs(values[np.isfinite(values)])
    if kind == onnx.TensorProto.FLOAT16 and finite.size and float(finite.max()) > _LARGEST_HALF:
        raise ArtefactError(
            f"Numbers in fp16 must be within 65,504, but {name!r} holds {float(finite.max()):.6g}: choose bf16 or fp32 "
            "for the target."
        )
    half = values.astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    return onnx.numpy_helper.from_array(half, tensor.name)


def _cast_borders(graph: Any, kind: int) -> None:
    """Put casts behind the float32 inputs and before the float32 outputs."""
    import onnx

    full = onnx.TensorProto.FLOAT
    weights = {tensor.name for tensor in graph.initializer}
    inside = {
        value.name: f"{value.name}.half"
        for value in (*graph.input, *graph.output)
        if value.type.tensor_type.elem_type == full and value.name not in weights
    }
    for node in graph.node:
        node.input[:] = [inside.get(name, name) for name in node.input]
        node.output[:] = [inside.get(name, name) for name in node.output]
    before = [onnx.helper.make_node("Cast", [v.name], [inside[v.name]], f"{v.name}.half", to=kind)
              for v in graph.input if v.name in inside]  # fmt: skip
    after = [onnx.helper.make_node("Cast", [inside[v.name]], [v.name], f"{v.name}.full", to=full)
             for v in graph.output if v.name in inside]  # fmt: skip
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
