"""Pads that runtimes leave alone.

ONNX Runtime makes one node of a zero `Pad` and the max pooling after it, and pads with minus infinity then. It leaves a
`Pad` that names its axes as it is.
"""

from __future__ import annotations

import onnx
from onnx import numpy_helper

_POOL = "MaxPool"
_AXES = 3
"""Position of the input that names the axes."""

_OPSET = 18
"""The first in which a `Pad` has that input."""


def keep_pads(proto: onnx.ModelProto) -> None:
    """Let each `Pad` before a max pooling name all of its axes, in place; it means what it meant."""
    if not any(opset.domain in ("", "ai.onnx") and opset.version >= _OPSET for opset in proto.opset_import):
        return
    pooled = {node.input[0] for node in proto.graph.node if node.op_type == _POOL}
    known = {tensor.name: tensor for tensor in proto.graph.initializer}
    for i, node in enumerate(proto.graph.node):
        pads = known.get(node.input[1]) if node.op_type == "Pad" and len(node.input) <= _AXES else None
        if pads is None or node.output[0] not in pooled:
            continue
        rank = numpy_helper.to_array(pads).size // 2
        axes = f"{node.output[0]}_axes_{i}"
        proto.graph.initializer.append(onnx.helper.make_tensor(axes, onnx.TensorProto.INT64, [rank], range(rank)))
        node.input.extend([""] * (_AXES - len(node.input)) + [axes])
