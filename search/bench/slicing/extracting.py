"""The part of a file that holds some of its operators only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import onnx

_INFERENCE_READS = 64
"""Elements up to which a constant may be a shape or a list of axes, which inference reads."""


def extracted(model: onnx.ModelProto, values: frozenset[str]) -> bytes | None:
    """Return the file that holds only the nodes which make some values.

    What they read from other nodes becomes an input, of the shape that inference finds; what others read of them, or
    nobody does, becomes an output.

    Returns:
        None where no node, all nodes, or a part whose inputs have unknown shapes or another batch would be left.
    """
    graph = model.graph
    inside = [node for node in graph.node if values.intersection(node.output)]
    if not inside or len(inside) == len(graph.node):
        return None
    constants = {tensor.name: tensor for tensor in graph.initializer}
    made = {name for node in inside for name in node.output if name}
    read = list(dict.fromkeys(name for node in inside for name in node.input if name))
    known = _shapes(model)
    inputs = [name for name in read if name not in made and name not in constants]
    used = {name for node in inside for name in node.input}
    elsewhere = {name for node in graph.node for name in node.input if not values.intersection(node.output)}
    elsewhere |= {value.name for value in graph.output}
    outputs = [name for node in inside for name in node.output if name and (name in elsewhere or name not in used)]
    if not inputs or any(name not in known for name in (*inputs, *outputs)) or not _is_one_batch(model, known, inputs):
        return None
    part = onnx.helper.make_graph(
        inside,
        graph.name,
        [known[name] for name in inputs],
        [known[name] for name in outputs],
        [constants[name] for name in read if name in constants],
    )
    return bytes(_like(model, part).SerializeToString())


def _like(model: onnx.ModelProto, graph: onnx.GraphProto) -> onnx.ModelProto:
    return onnx.helper.make_model(
        graph, opset_imports=list(model.opset_import), functions=list(model.functions), ir_version=model.ir_version
    )


def _is_one_batch(model: onnx.ModelProto, known: Mapping[str, onnx.ValueInfoProto], inputs: Sequence[str]) -> bool:
    """Whether all inputs have the network's batch as their first axis: runtimes take the others for mistakes."""
    firsts = [value.type.tensor_type.shape.dim[:1] for value in (model.graph.input[0], *(known[n] for n in inputs))]
    return len({dims[0].dim_value if dims else 0 for dims in firsts}) == 1


def _shapes(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """Return the values whose shapes are known and fixed; weights are emptied for the inference, which copies them."""
    graph = model.graph
    light = onnx.helper.make_graph(
        graph.node, graph.name, graph.input, graph.output, [_emptied(tensor) for tensor in graph.initializer]
    )
    try:
        inferred = onnx.shape_inference.infer_shapes(_like(model, light), data_prop=True)
    except onnx.shape_inference.InferenceError:
        return {}
    values = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    return {value.name: value for value in values if _is_fixed(value)}


def _is_fixed(value: onnx.ValueInfoProto) -> bool:
    tensor = value.type.tensor_type
    return tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)


def _emptied(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if prod(tensor.dims) <= _INFERENCE_READS:
        return tensor
    return onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
