"""A latency law read off an ONNX file: a staircase in channels, with exactly known seconds for every node."""

from __future__ import annotations

import importlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ArtefactError
from ...files import read_onnx

# Values of onnx, which is imported only when a file is read: `import hwprofiles` must stay light.
ModelProto = Any
NodeProto = Any
GraphProto = Any
ValueInfoProto = Any

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_PRODUCTS = ("MatMul", "Gemm")

# Folded into the file by every runtime: not executed, so known to cost nothing.
_FOLDED = ("Constant",)

# Elements up to which an initializer may be a shape or a list of axes.
_INFERENCE_READS = 64

_INFERENCE_OPERATOR = re.compile(r"op_type:\s*(\w+)")


@dataclass(frozen=True, slots=True)
class StaircaseLaw:
    """Seconds of each node of an ONNX file.

    A convolution or product of matrices costs ``node_s + block_s * blocks * positions * taps``, where ``blocks`` is
    ``groups * ceil(inputs / quantum) * ceil(outputs / quantum)`` (a depthwise convolution: ``ceil(channels /
    quantum)``), ``positions`` counts batch and space, and ``taps`` is the kernel's area. Any other node costs
    ``other_s + element_s * elements of its first output``.

    Attributes:
        quantum: Width of a step in channels.
        node_s: Fixed part of a convolution or product.
        block_s: One block at one position and tap.
        other_s: Fixed part of any other node.
        element_s: One element of any other node's output.
    """

    quantum: int = 8
    node_s: float = 4e-6
    block_s: float = 3e-9
    other_s: float = 5e-7
    element_s: float = 1e-10

    def __post_init__(self) -> None:
        if self.quantum < 1:
            raise ValueError(f"`quantum` must be at least 1, but got {self.quantum}.")
        for name in ("node_s", "block_s", "other_s", "element_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0, but got {getattr(self, name)!r}.")

    def seconds(self, model: bytes | Path | ModelProto, batch: int = 1) -> dict[str, float]:
        """Return value name -> seconds of the node that produces it as its first output, in file order.

        Args:
            model: An ONNX file with fixed sizes; the batch may be symbolic.
            batch: Used where it is symbolic.

        Raises:
            ArtefactError: The file cannot be read, or a size is unknown.
        """
        graph = read_model(model, batch).graph
        shapes = _known_shapes(graph)
        return {node.output[0]: self._node(node, shapes) for node in graph.node if node.op_type not in _FOLDED}

    def _node(self, node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> float:
        output = _shape_of(node, node.output[0], shapes)
        if node.op_type in _CONVOLUTIONS:
            return self.node_s + self.block_s * self._convolution(node, shapes)
        if node.op_type in _PRODUCTS:
            inputs = _shape_of(node, node.input[0], shapes)
            depth = inputs[0 if node.op_type == "Gemm" and _integer(node, "transA", 0) else -1]
            return self.node_s + self.block_s * self._steps(depth) * self._steps(output[-1]) * math.prod(output[:-1])
        return self.other_s + self.element_s * math.prod(output)

    def _convolution(self, node: NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
        transposed = node.op_type == "ConvTranspose"
        weight = _shape_of(node, node.input[1], shapes)
        groups = _integer(node, "group", 1)
        # A convolution visits each output position, a transposed one each input position.
        visited = _shape_of(node, node.input[0] if transposed else node.output[0], shapes)
        outer, inner = weight[0] // groups, weight[1]
        depthwise = groups > 1 and outer == inner == 1
        blocks = self._steps(groups) if depthwise else groups * self._steps(outer) * self._steps(inner)
        return blocks * visited[0] * math.prod(visited[2:]) * math.prod(weight[2:])

    def _steps(self, width: int) -> int:
        return -(-width // self.quantum)


DEFAULT_LAW = StaircaseLaw()


def read_model(model: bytes | Path | ModelProto, batch: int) -> ModelProto:
    """Return a copy of the file with its batch filled in, all shapes inferred, and large weights emptied.

    Raises:
        ArtefactError: The file cannot be read, or its shapes cannot be inferred.
    """
    import onnx

    decode_error = importlib.import_module("google.protobuf.message").DecodeError
    try:
        copy = _copy(model)
        _fill_batch(copy.graph, batch)
        _empty_weights(copy.graph)
        inferred = onnx.shape_inference.infer_shapes(copy, strict_mode=True, data_prop=True)
    except (decode_error, OSError, onnx.shape_inference.InferenceError) as error:
        operator = _INFERENCE_OPERATOR.search(str(error))
        message = f"An ONNX file must be readable and its shapes must follow, but: {error}"
        raise ArtefactError(message, operator[1] if operator else None) from error
    if not inferred.graph.node:
        raise ArtefactError("An ONNX file must hold a graph with nodes, but this one is empty.")
    return inferred


def fixed_shape(value: ValueInfoProto) -> tuple[int | None, ...]:
    """Return the declared sizes of a value; None for each that is not fixed."""
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim)


def fed_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """Return the inputs that a caller feeds: those that no initializer fills."""
    filled = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in filled]


def _copy(model: bytes | Path | ModelProto) -> ModelProto:
    import onnx

    if isinstance(model, bytes):
        return onnx.load_from_string(model)
    if isinstance(model, Path):
        return onnx.load_from_string(read_onnx(model))
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _fill_batch(graph: GraphProto, batch: int) -> None:
    for value in fed_inputs(graph):
        dims = value.type.tensor_type.shape.dim
        if len(dims) and not dims[0].HasField("dim_value"):
            dims[0].dim_value = batch
    # What the exporter noted about inner values may hold the symbol; it is inferred anew.
    del graph.value_info[:]


def _empty_weights(graph: GraphProto) -> None:
    # Inference copies the file twice; only small initializers (shapes, axes) carry values that it reads.
    for tensor in graph.initializer:
        if math.prod(tensor.dims) > _INFERENCE_READS:
            for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
                tensor.ClearField(field)


def _known_shapes(graph: GraphProto) -> dict[str, tuple[int, ...]]:
    known = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sizes = fixed_shape(value)
        fixed = tuple(size for size in sizes if size is not None)
        if value.type.tensor_type.HasField("shape") and len(fixed) == len(sizes):
            known[value.name] = fixed
    return known


def _shape_of(node: NodeProto, name: str, shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    if name not in shapes:
        raise ArtefactError(
            f"Every size that a latency law reads must be known, but that of {name!r} at operator {node.op_type} is "
            "not; export the file with fixed sizes.",
            node.op_type,
        )
    return shapes[name]


def _integer(node: NodeProto, name: str, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)
