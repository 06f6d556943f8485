"""Check what was read off the references: sliced files must have the shapes that the blueprint tells."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from ...errors import ExportError
from ...graph import Blueprint, Candidate


def check_shapes(data: bytes, blueprint: Blueprint, call: Mapping[str, str], candidate: Candidate, batch: int) -> None:
    """Infer the shapes of a sliced file and compare each value that equals a call with the axes of that call.

    Args:
        data: The file.
        blueprint: The combed network.
        call: ONNX value name -> node name of the call that it equals.
        candidate: Whose file it is.
        batch: The file's batch size.

    Raises:
        ExportError: The file is not sound, or a shape is not the call's; the message names the first.
    """
    try:
        model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data), strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as exc:
        raise ExportError(f"A sliced file must have sound shapes, but: {str(exc).strip().splitlines()[-1]}") from exc
    shapes = {
        value.name: [
            size.dim_value if size.HasField("dim_value") else None for size in value.type.tensor_type.shape.dim
        ]
        for value in [*model.graph.value_info, *model.graph.output]
    }
    for node in model.graph.node:
        for name in node.output:
            if name in call and name in shapes and call[name] in blueprint.axes:
                sizes = blueprint.shape(blueprint.axes[call[name]][0], candidate)
                expected = [size.count * batch ** len(size.symbols) for size in sizes]
                if any(a is not None and a != b for a, b in zip(shapes[name], expected, strict=True)):
                    raise ExportError(
                        f"A sliced file has the shapes of the cut network, but {node.op_type} ({name!r}) makes "
                        f"{shapes[name]} where call {call[name]!r} makes {expected}."
                    )
