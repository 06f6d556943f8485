"""Small ONNX files with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

IMAGE = (1, 3, 8, 8)


def conv_file(width: int = 8, *, batch: int | str = 1, named: bool = True, seed: int = 0) -> bytes:
    """A convolution, its activation, a residual block, a pool and a classifier; all values carry telling names."""
    rng = np.random.default_rng(seed)
    weights = {
        "w_stem": rng.normal(size=(width, 3, 3, 3)),
        "b_stem": rng.normal(size=(width,)),
        "w_block": rng.normal(size=(width, width, 3, 3)) / width,
        "w_head": rng.normal(size=(width, 5)),
        "b_head": rng.normal(size=(5,)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w_stem", "b_stem"], ["stem"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["stem"], ["stem_active"]),
        helper.make_node("Conv", ["stem_active", "w_block"], ["block"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["block", "stem_active"], ["joined"]),
        helper.make_node("Relu", ["joined"], ["joined_active"]),
        helper.make_node("GlobalAveragePool", ["joined_active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w_head", "b_head"], ["scores"]),
    ]
    for index, node in enumerate(nodes):
        node.name = f"node_{index}" if named else ""
    return file_of(nodes, {"image": [batch, 3, 8, 8]}, {"scores": [batch, 5]}, weights)


def file_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Sequence[int | str]],
    outputs: dict[str, Sequence[int | str] | None],
    weights: dict[str, NDArray[np.float64]],
) -> bytes:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None if shape is None else list(shape))
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def values_of(file: bytes) -> set[str]:
    return {output for node in onnx.load_from_string(file).graph.node for output in node.output}


def reference_outputs(file: bytes, feeds: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The first output by ONNX's own reference implementation."""
    from onnx.reference import ReferenceEvaluator

    outputs: Any = ReferenceEvaluator(onnx.load_from_string(file)).run(None, dict(feeds))
    return np.asarray(outputs[0])
