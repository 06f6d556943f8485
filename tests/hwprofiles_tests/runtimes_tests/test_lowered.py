"""Files in half precision: every float inside is of that type, what goes in and comes out is not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hwprofiles import ArtefactError
from hwprofiles.runtimes.tensorrt.lowered import lowered

from ..onnx_files import conv_file, file_of

KINDS = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


@pytest.mark.parametrize("precision", KINDS)
def test_types_are_sound_and_half_inside(precision: str) -> None:
    model = onnx.load_from_string(lowered(conv_file(8), precision))
    onnx.checker.check_model(model)
    # ONNX lists bf16 among the types of a convolution from opset 22 on only.
    inferred = onnx.shape_inference.infer_shapes(model, check_type=precision == "fp16", strict_mode=True)
    inside = {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    assert {"stem", "joined", "pooled", "scores.half"} <= inside.keys()
    assert set(inside.values()) == {KINDS[precision]}
    assert {tensor.data_type for tensor in model.graph.initializer} == {KINDS[precision]}
    borders = [*model.graph.input, *model.graph.output]
    assert {value.type.tensor_type.elem_type for value in borders} == {TensorProto.FLOAT}


@pytest.mark.parametrize("precision", KINDS)
def test_constants_and_casts_inside_are_half_and_scales_of_resizes_stay(precision: str) -> None:
    nodes = [
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Constant", [], ["scales"], value_floats=[1.0, 1.0, 2.0, 2.0]),
        helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["cast", "half"], ["scaled"]),
        helper.make_node("Resize", ["scaled", "", "scales"], ["big"]),
    ]
    file = file_of(nodes, {"image": [1, 3, 4, 4]}, {"big": [1, 3, 8, 8]}, {})
    model = onnx.load_from_string(lowered(file, precision))
    onnx.checker.check_model(model)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    assert types["scales"] == TensorProto.FLOAT
    assert {types[name] for name in ("half", "cast", "scaled", "big.half")} == {KINDS[precision]}


def test_numbers_that_fp16_cannot_hold_are_refused_and_infinities_are_not() -> None:
    def file(number: float) -> bytes:
        node = helper.make_node("Add", ["image", "w"], ["out"])
        return file_of([node], {"image": [1, 2]}, {"out": [1, 2]}, {"w": np.array([1.0, number])})

    with pytest.raises(ArtefactError, match="within 65,504, but 'w' holds 70000"):
        lowered(file(70000.0), "fp16")
    lowered(file(70000.0), "bf16")
    lowered(file(float("-inf")), "fp16")


def test_a_graph_inside_an_operator_is_refused() -> None:
    inner = helper.make_graph([], "inner", [], [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 2])])
    node = helper.make_node("If", ["flag"], ["out"], then_branch=inner, else_branch=inner)
    file = file_of([node], {"image": [1, 2], "flag": [1]}, {"out": [1, 2]}, {})
    with pytest.raises(ArtefactError, match="one flat graph, but operator If") as caught:
        lowered(file, "fp16")
    assert caught.value.operator == "If"
